"""
What Prometheus scrapes from an API process, by whose truth it is.

- `process.py`: what this process did.
- `hub.py`: what its viewers went through.
- `truth.py`: what lies in Redis, the same from every API process, and `reading.py`, which asks for it.

docs/metrics.md has every name.
"""
