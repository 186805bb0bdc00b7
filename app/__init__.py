"""Stepstream: multi-step agent tasks as durable background work, one folder per station of a task's journey."""
