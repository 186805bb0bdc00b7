"""The event log of a task, and the hub that replays and tails it."""
