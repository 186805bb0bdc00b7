"""Tests of the event log and the hub on a real server."""
