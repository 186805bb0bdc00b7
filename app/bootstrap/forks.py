"""What Dramatiq's main process runs beside its workers, by name."""


def export_metrics() -> int:
    """Serves the workers' metrics. Imported only where it runs: workers need neither a web server nor Prometheus."""
    from app.bootstrap.exporter import serve

    return serve()
