"""Slower proofs, run by `make test-full`."""
