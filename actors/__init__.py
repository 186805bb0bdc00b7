"""`dramatiq actors`."""
