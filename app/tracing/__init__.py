"""Tracing with OpenTelemetry, where it is installed and wanted; see docs/tracing.md."""
