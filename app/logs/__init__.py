"""Logs of a process: set up once, cleaned of secrets, written line by line."""
