"""Documents taken apart into passages."""
