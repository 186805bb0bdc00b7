"""Where documents contradict each other, and where they agree."""
