"""The command line: `stepstream up`, `run`, `demo`, and what they are made of."""
