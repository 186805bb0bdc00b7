"""`stepstream healthcheck api` and `worker`: for Docker, the kubelet and other supervisors; no Redis is asked."""

import http.client
from contextlib import closing
from typing import Annotated

import typer

from app.cli.exits import Exit
from app.cli.terminal import end, say
from app.config import BadSettings, Settings, read_settings
from app.heartbeat import beats
from app.loopback import nearest

TIMEOUT_S = 3.0
SILENT_S_MAX = 60.0

healthcheck_cli = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@healthcheck_cli.callback()
def healthcheck() -> None:
    """Say by the exit code whether a process on this machine lives; Redis is not asked."""


@healthcheck_cli.command()
def api() -> None:
    """The API at STEPSTREAM_API_HOST and STEPSTREAM_API_PORT answers /healthz."""
    settings = _settings()
    host, port = nearest(settings.api_host), settings.api_port
    try:
        status = _asked(host, port)
    except (OSError, http.client.HTTPException) as error:
        end(f"the API at {host} port {port} does not answer: {error}", Exit.FAILED)
    if status != http.HTTPStatus.OK:
        end(f"the API at {host} port {port} answers {status}", Exit.FAILED)
    say("the API answers")


@healthcheck_cli.command()
def worker(
    silent_s_max: Annotated[
        float, typer.Option(min=1, help="How long the event loop of a worker process may not come round, seconds.")
    ] = SILENT_S_MAX,
) -> None:
    """The worker processes of this host and data directory are there, and their event loops come round."""
    settings = _settings()
    found = beats(settings.data_dir)
    if not found:
        end(f"no worker process gives a sign of life in {settings.data_dir}", Exit.FAILED)
    for beat in found:
        if beat.silent_s > silent_s_max:
            end(f"worker process {beat.pid} has been silent for {beat.silent_s:.0f} s", Exit.FAILED)
    say(f"living worker processes: {len(found)}")


def _settings() -> Settings:
    # Not by `app.cli.environment`: its client would be half of what a check costs, and checks come again and again.
    try:
        return read_settings()
    except BadSettings as error:
        end(str(error), Exit.USAGE)


def _asked(host: str, port: int) -> int:
    with closing(http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)) as connection:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
