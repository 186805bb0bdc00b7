"""Invariants, checked against small models with inputs nobody thought of."""
