"""The settings of a command, and the API it talks to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import httpx2
import typer

from app import config
from app.cli.claim import running_api
from app.cli.exits import Exit
from app.cli.inputs import BadInput
from app.cli.terminal import end, one_line
from app.client import ApiError, BadKey, Client, ClientError, KeyExposed

URL_VARIABLE = "STEPSTREAM_URL"
#: What the API answers when the request itself, or who makes it, is at fault.
USAGE_STATUSES = frozenset({400, 401, 403, 413, 415, 422})
TOO_MANY_REQUESTS = 429

Url = Annotated[
    str | None,
    typer.Option(envvar=URL_VARIABLE, show_envvar=True, help="The API to ask. Unset: that of the running `up`."),
]


def read_settings() -> config.Settings:
    """The settings; a bad one ends the command with a line for each."""
    try:
        return config.read_settings()
    except config.BadSettings as error:
        end(str(error), Exit.USAGE)


@contextmanager
def api(url: str | None) -> Iterator[Client]:
    """A client; what goes wrong with it becomes a sentence and an exit code."""
    found = url or running_api(read_settings().data_dir)
    if not found:
        end(
            f"no API runs here: begin `stepstream up`, or say where with --url or {URL_VARIABLE}",
            Exit.UNREACHABLE,
        )
    try:
        with client_at(found) as client:
            yield client
    except BadInput as error:
        end(str(error), Exit.USAGE)
    except ApiError as error:
        end("\n".join(error.lines), _code(error.status))
    except ClientError as error:
        end(str(error), Exit.UNREACHABLE)


def client_at(url: str) -> Client:
    """A client of that address; raises `BadInput` for what is no address, or none that a key may be sent to."""
    # Without a name and a password in front, which are nobody else's business.
    said = one_line(url.rpartition("@")[2])
    if not url.lower().startswith(("http://", "https://")):
        raise BadInput(f"{said!r} is not the address of an API: write http://host:port.")
    try:
        return Client(url)
    except (BadKey, KeyExposed) as error:
        raise BadInput(str(error)) from error
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadInput(f"{said!r} is not the address of an API: {error}.") from error


def _code(status: int) -> Exit:
    if status in USAGE_STATUSES:
        return Exit.USAGE
    return Exit.FAILED if status < TOO_MANY_REQUESTS else Exit.UNREACHABLE
