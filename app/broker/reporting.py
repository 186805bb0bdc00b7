"""Log lines whose values have names, for plain loggers and structured ones alike."""

import logging
from collections.abc import MutableMapping
from typing import Any


class Reporter(logging.LoggerAdapter[logging.Logger]):
    """
    A logger for calls such as `logger.warning("message buried", extra={"queue": "default"})`.

    The message is `message buried: queue=default`. The record has each value as an attribute besides, and the
    bare sentence as `event`, where formatters that write fields find them.
    """

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        values = kwargs.get("extra") or {}
        kwargs["extra"] = {"event": msg, **values}
        shown = " ".join(f"{name}={value}" for name, value in values.items())
        return f"{msg}: {shown}" if shown else msg, kwargs


def reporter(name: str) -> Reporter:
    return Reporter(logging.getLogger(name))
