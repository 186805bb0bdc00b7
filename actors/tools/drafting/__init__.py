"""The writer's way with a language model: what it is told, what it answers, and what of that may be printed."""
