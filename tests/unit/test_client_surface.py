"""Both clients have one surface, and nothing of the server comes with it."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.client import ApiError, AsyncClient, Client, calls, event_calls, fleet_calls, list_calls
from app.client.call import Call
from app.client.follower import Follower
from app.client.pages import Pages
from tests.unit.scripted_server import ScriptedServer, say

SERVER = ("fastapi", "starlette", "uvicorn", "dramatiq", "redis", "app.api", "app.dispatch", "app.broker", "actors")
#: What `wait` is made of.
PARTS = {"ending", "ended"}


def functions() -> dict[str, Callable[..., object]]:
    """What can be asked: the public functions of the tables of calls."""
    return {
        name: function
        for table in (calls, list_calls, event_calls, fleet_calls)
        for name, function in inspect.getmembers(table, inspect.isfunction)
        if function.__module__ == table.__name__ and not name.startswith("_") and name not in PARTS
    }


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_call_is_a_method_with_the_same_arguments(client: type[Client | AsyncClient]) -> None:
    """The table of calls is the one truth: names, arguments and descriptions come from there."""
    api = client("http://127.0.0.1:1")
    for name, function in functions().items():
        method, signature = getattr(client, name), inspect.signature(function)
        assert list(inspect.signature(method).parameters.values())[1:] == list(signature.parameters.values()), name
        assert method.__doc__ == function.__doc__, name
        assert method.__doc__, name
        assert inspect.signature(getattr(api, name)).parameters == signature.parameters, name


def test_both_clients_have_the_same_methods() -> None:
    """What one can do, the other can."""
    own = {
        client: {name for name, value in vars(client).items() if callable(value) and not name.startswith("_")}
        for client in (Client, AsyncClient)
    }

    assert own[Client] - {"close"} == own[AsyncClient] - {"aclose"}
    assert set(functions()) <= own[Client]


def test_every_call_says_what_it_returns() -> None:
    """The three kinds that a client knows how to make."""
    for name, function in functions().items():
        kind = inspect.signature(function).return_annotation
        assert getattr(kind, "__origin__", kind) in (Call, Pages, Follower), name


def test_the_client_comes_without_the_server() -> None:
    """Importing it loads no web framework, no broker, no Redis client and no part of ours that needs them."""
    code = "import sys, app.client; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "app.client.async_client" in loaded
    assert [name for name in loaded if name.startswith(SERVER)] == []


DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "openapi.json"
#: For machines that look after the process, and for Prometheus.
NOT_FOR_CLIENTS = {"GET /healthz", "GET /metrics"}
ARGUMENTS = {
    "task": "x", "task_id": "ID", "task_ids": ["ID"], "queue": "ID", "letter_id": "ID", "step_id": "ID",
    "action": "retry",
}  # fmt: skip


def asked(api: Client, server: ScriptedServer, name: str) -> str:
    """The request that a method makes, as `METHOD path`."""
    parameters = inspect.signature(functions()[name]).parameters.values()
    given = {p.name: ARGUMENTS[p.name] for p in parameters if p.default is inspect.Parameter.empty}
    with pytest.raises(ApiError):
        # What iterates asks when it is iterated over.
        next(getattr(api, name)(**given))
    method, path, *_ = server.asked[-1]
    return f"{method} {path.partition('?')[0]}"


def test_there_is_a_method_for_every_route(server: ScriptedServer, client: Client) -> None:
    """What the OpenAPI document has, the clients have, and nothing else."""
    server.answers = [say(404, {})]
    routes = {
        f"{method.upper()} {re.sub('{[a-z_]+}', 'ID', path)}"
        for path, methods in json.loads(DOCUMENT.read_text())["paths"].items()
        for method in methods
    }

    assert {asked(client, server, name) for name in functions()} == routes - NOT_FOR_CLIENTS
