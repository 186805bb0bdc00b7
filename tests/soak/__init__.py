"""
Minutes of random faults, judged by a ledger that no fault reaches.

    python -m tests.soak.broker    the broker alone: messages of plain Dramatiq actors
    python -m tests.soak.tasks     everything: tasks over HTTP, their event streams, their agents
"""
