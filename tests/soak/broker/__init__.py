"""The broker under minutes of random faults, judged by a ledger it cannot reach: `python -m tests.soak.broker -h`."""
