"""The durable state machine: transition scripts, their typed wrappers, and the step runner."""
