"""
Everything under minutes of random faults: `python -m tests.soak.tasks -h`.

API and worker processes, a Redis that is killed, frozen and filled; clients that submit, steer and follow. The
judge (`checker.py`, `properties/`) sees what the clients were answered and a ledger in a Redis of its own, in
which the agents write every start and end.
"""
