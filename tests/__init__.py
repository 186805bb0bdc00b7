"""The tests: unit, integration on a real Redis, faults, end to end as processes."""
