"""
How the API and workers are started as programs of their own.

Python looks for modules in the current folder first, and `app` is what many projects call their own package. So these
commands take everything of this installation from where it is, and look at the current folder last, for agents.
"""

import sys

from stepstream import HOME

API_DRAIN_S = 5
#: uvicorn with our bounds on the wire, and without the protocol of sockets that we do not speak.
WIRE = ("--http", "app.wire:BoundedHttp", "--ws", "none")


def our_module(name: str, *arguments: str) -> list[str]:
    """A module as a program, with nothing but the Python path to find it by."""
    return [sys.executable, "-P", "-m", name, *arguments]


def api_command(host: str, port: int) -> list[str]:
    # Without a folder uvicorn puts the current one before all others.
    place = ("app.main:create_app", "--factory", "--app-dir", str(HOME), "--host", host, "--port", str(port))
    return our_module("uvicorn", *place, "--timeout-graceful-shutdown", str(API_DRAIN_S), *WIRE)


def worker_command(*arguments: str) -> list[str]:
    """With the options of `dramatiq`."""
    return our_module("app.cli.workers", "actors", *arguments)
