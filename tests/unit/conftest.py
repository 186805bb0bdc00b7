"""A client of the API, and a server that plays one."""

import threading
from collections.abc import Iterator

import pytest

from app.client import Client
from tests.unit.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.url, silence_s_max=2.0) as api:
        yield api
