"""Documents that mean harm: whatever stands in them stays a quotation."""
