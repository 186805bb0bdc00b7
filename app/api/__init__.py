"""The HTTP edge: submission, event stream, metrics, health."""
