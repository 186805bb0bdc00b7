"""Documents, their full-text indexes, and the search in them."""
