"""What may be fetched, and how it is."""
