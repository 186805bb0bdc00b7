"""
Requests made up from the OpenAPI document, against a real server: none finds a defect, and every answer is one that
the document describes.
"""

import asyncio
import copy
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import redis
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from app import redis_async
from app.access.keyring import Keyring
from app.access.principal import Scope
from app.api import prefer
from app.config import Settings
from app.keys import Keys
from app.main import create_app
from app.wire import BoundedHttp
from tests.integration.api.guarded import UNKNOWN
from tests.integration.api.support import LINE, ThreadlessServer, Worker

# How schemathesis makes up invalid text is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

NAMESPACE = "test-fuzz"


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


OPERATIONS = sorted(name for name, _ in operations_of(create_app().openapi()))
#: What an answer must be. Not that valid requests succeed: plans and names are judged by more than a schema.
CHECKS = [
    not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_headers_conformance, checks.response_schema_conformance, checks.negative_data_rejection,
]  # fmt: skip
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@dataclass
class Fuzzed:
    """A server, what it is known to have, and how often it has answered what."""

    url: str
    headers: dict[str, str]
    operations: dict[str, APIOperation]
    known: dict[str, list[str]]
    seen: Counter[tuple[str, int]]

    def fuzz(self, name: str, mode: GenerationMode, count: int, *, shrink: bool = False) -> None:
        """So many requests of one operation; half of them about things that are there."""
        operation = self.operations[name]
        phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)

        @settings(
            max_examples=count, phases=phases, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
        def one(case: Case, data: st.DataObject) -> None:
            for parameter, values in self.known.items():
                if parameter in (case.path_parameters or {}) and data.draw(st.booleans()):
                    case.path_parameters[parameter] = data.draw(st.sampled_from(values))
            response = case.call(base_url=self.url, headers=self.headers, timeout=60)
            self.seen[name, response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        # An operation that takes nothing cannot be asked wrongly.
        with suppress(Unsatisfiable):
            one()


@pytest.fixture(scope="module")
def fuzzed(redis_url: str) -> Iterator[Fuzzed]:
    client: redis.Redis = redis.Redis.from_url(redis_url, protocol=2)
    token, _ = Keyring(client, Keys(NAMESPACE)).create(tenant="default", scopes=[Scope.ADMIN])
    limits = {
        "stream_s_max": 0.05,
        "heartbeat_s": 0.05,
        "waiters_max": 1,
        "rate_read_per_min": 0,
        "rate_submit_per_min": 0,
    }
    app = create_app(Settings(redis_url=redis_url, namespace=NAMESPACE, auth="required", **limits))
    server = ThreadlessServer(uvicorn.Config(app, port=0, log_level="critical", http=BoundedHttp))
    thread = threading.Thread(target=server.run)
    patch = pytest.MonkeyPatch()
    # Nobody works here: who waits would wait in vain.
    patch.setattr(prefer, "WAIT_S_MAX", 0)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.005)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    headers = {"Authorization": f"Bearer {token.text}"}
    document = copy.deepcopy(app.openapi())
    for _, operation in operations_of(document):
        # Keys are a matter of test_access.py; made up ones would leave nothing else to be found.
        operation.pop("security", None)
    schema = schemathesis.openapi.from_dict(document)
    operations = {operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())}
    yield Fuzzed(url, headers, operations, _things(redis_url, url, headers), Counter())
    app.state.services.draining.set()
    server.should_exit = True
    thread.join()
    patch.undo()
    for key in client.scan_iter(match=f"{Keys(NAMESPACE).tag[:-3]}*", count=1000):
        client.delete(key)
    client.close()


def _things(redis_url: str, url: str, headers: dict[str, str]) -> dict[str, list[str]]:
    """Tasks in every state and a dead letter, by the name of the parameter that asks for them."""
    tasks = []
    for _ in range(4):
        reply = httpx2.post(f"{url}/run-task", json={"task": "Do it", "plan": LINE}, headers=headers)
        tasks.append(reply.json()["task_id"])
    queued, running, completed, failed = tasks

    async def work() -> None:
        redis_client = redis_async.connect(redis_url)
        worker = Worker(redis_client, Keys(NAMESPACE))
        await worker.start(running, 1)
        await worker.finish(completed, 1, 2, 3, text="# Done")
        await worker.fail(failed, 1)
        await redis_client.aclose()

    asyncio.run(work())
    return {
        "task_id": [queued, running, completed, failed, UNKNOWN],
        "queue": ["retriever", "nobody"],
        "letter_id": [f"retriever:{failed}:1:1", "retriever:none"],
    }


def test_requests_made_up_from_the_document_find_no_defect(fuzzed: Fuzzed) -> None:
    """A few valid ones of every operation, and invalid ones where a body or a query can be; of all kinds of answers."""
    for name in OPERATIONS:
        fuzzed.fuzz(name, GenerationMode.POSITIVE, count=2)
    for name in ("POST /run-task", "POST /tasks/{task_id}/fork", "GET /tasks", "GET /tasks/{task_id}/events"):
        fuzzed.fuzz(name, GenerationMode.NEGATIVE, count=2)

    statuses = {status for _, status in fuzzed.seen}
    assert {200, 202, 404, 422} <= statuses, fuzzed.seen
    assert not statuses & {401, 403, 429}


@pytest.mark.full
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_many_requests_made_up_from_the_document_find_no_defect(
    fuzzed: Fuzzed, name: str, mode: GenerationMode
) -> None:
    """Some hundreds of each operation, valid ones and invalid ones."""
    fuzzed.fuzz(name, mode, count=150, shrink=True)
