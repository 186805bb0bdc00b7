"""The properties: each takes the evidence and yields one sentence per violation."""
