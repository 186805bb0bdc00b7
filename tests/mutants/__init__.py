"""Are the tests able to fail? Breaks the broker on purpose, one line at a time: `python -m tests.mutants`."""
