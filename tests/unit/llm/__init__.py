"""The door to a language model."""
