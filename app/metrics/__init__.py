"""What a task cost, and what Prometheus scrapes."""
