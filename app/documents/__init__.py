"""Documents as texts: which files count, how each format is read, and what a folder holds."""
