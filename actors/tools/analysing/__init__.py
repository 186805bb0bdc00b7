"""What passages say about a question."""
