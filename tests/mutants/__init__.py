"""Are the tests able to fail? Breaks broker and dispatch on purpose, one line at a time: `python -m tests.mutants`."""
