"""
Logging: events with fields, one line of JSON each, through the standard library's loggers.

A traceback never carries local variables: they hold payloads, documents and agents' secrets.
"""

import structlog


def configure() -> None:
    """Sets structlog up once per process; a program that has done so itself is left alone."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
