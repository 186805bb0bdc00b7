"""API processes that are asked to end in the middle of everything, and API processes whose Redis is away."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from app.cli.programs import api_command
from app.local_redis import LocalServer
from tests.deployment import EXIT_TIMEOUT_S, LINE, REPLY_TIMEOUT_S, Stack, deployment, wait_for
from tests.e2e.conftest import own_redis

pytestmark = pytest.mark.full

__all__ = ["own_redis"]

BODY = json.dumps({"task": "Do it", "plan": LINE, "labels": {"filled": "x" * 60}}).encode()


@pytest.fixture
def stack(redis_url: str, namespace: str, tmp_path: Path) -> Iterator[Stack]:
    stack = deployment(tmp_path, redis_url, namespace)
    yield stack
    stack.stop()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


@pytest.fixture
def connect(stack: Stack) -> Iterator[Callable[[], socket.socket]]:
    """Connections to the API, closed behind the test."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(socket.create_connection(("127.0.0.1", stack.port), timeout=EXIT_TIMEOUT_S))


def begin_upload(connection: socket.socket) -> socket.socket:
    """A submission of which the first half has been sent."""
    fields = ("host: 127.0.0.1", "content-type: application/json", f"content-length: {len(BODY)}")
    head = "\r\n".join(("POST /run-task HTTP/1.1", *fields, "", ""))
    connection.sendall(head.encode() + BODY[: len(BODY) // 2])
    return connection


def watch(stack: Stack, task_id: str) -> str:
    """Everything a stream says; raises when it is cut."""
    with httpx2.stream("GET", f"{stack.url}/stream/{task_id}", timeout=180) as reply:
        return "".join(reply.iter_text())


def submit_and_wait(stack: Stack) -> httpx2.Response:
    body = {"task": "Do it", "plan": LINE}
    return httpx2.post(f"{stack.url}/run-task", json=body, headers={"Prefer": "wait=60"}, timeout=180)


def listening(stack: Stack) -> bool:
    try:
        socket.create_connection(("127.0.0.1", stack.port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("command", ["uvicorn", "stepstream api"])
def test_an_api_that_ends_leaves_nobody_without_an_answer(
    stack: Stack, pool: ThreadPoolExecutor, connect: Callable[[], socket.socket], command: str
) -> None:
    """Streams say farewell, who waits is answered, who uploads may finish; one who stops uploading keeps nobody."""
    if command == "uvicorn":
        api = stack.api()
    else:
        api = stack._start("python", *api_command("127.0.0.1", stack.port)[1:])
        wait_for(lambda: stack.answers("/healthz"), "the API did not start")
    task_id = stack.submit(LINE)
    streams = [pool.submit(watch, stack, task_id) for _ in range(8)]
    waiting = [pool.submit(submit_and_wait, stack) for _ in range(4)]
    wait_for(lambda: len(stack.get("/tasks")["tasks"]) == 5, "the submissions did not arrive")
    log = stack.folder / f"{'uvicorn' if command == 'uvicorn' else 'python'}-0.log"
    wait_for(lambda: log.read_text().count("stream_opened") == len(streams), "the streams did not open")
    uploading, stuck = begin_upload(connect()), begin_upload(connect())

    api.send_signal(signal.SIGTERM)
    wait_for(lambda: not listening(stack), "it still listens")
    uploading.sendall(BODY[len(BODY) // 2 :])

    assert uploading.recv(4096).startswith(b"HTTP/1.1 202 ")
    assert stuck.recv(4096).startswith(b"HTTP/1.1 503 ")
    assert api.wait(timeout=EXIT_TIMEOUT_S) in (0, -signal.SIGTERM)
    for stream in streams:
        assert stream.result(timeout=REPLY_TIMEOUT_S).rstrip().rpartition("\n")[2].startswith("retry: ")
    for reply in waiting:
        assert (reply.result(timeout=REPLY_TIMEOUT_S).status_code, reply.result().json()["status"]) == (202, "queued")
    # What it says of the Redis of these tests is another matter.
    said = [line for line in log.read_text().splitlines() if '"redis_doubtful"' not in line]
    assert not [line for line in said if '"level":"error"' in line or '"level":"warning"' in line]


def test_readiness_goes_before_the_process_does(stack: Stack, connect: Callable[[], socket.socket]) -> None:
    """On a connection that a balancer keeps open: 503 while a request keeps the process."""
    api = stack.api()
    stuck = begin_upload(connect())
    kept = connect()
    api.send_signal(signal.SIGTERM)
    wait_for(lambda: not listening(stack), "it still listens")

    # Either it is closed already, or it says no.
    assert ask(kept, "/readyz") in (b"", b"HTTP/1.1 503")
    assert stuck.recv(4096).startswith(b"HTTP/1.1 503 ")
    assert api.wait(timeout=EXIT_TIMEOUT_S) in (0, -signal.SIGTERM)


def ask(connection: socket.socket, path: str) -> bytes:
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
        return connection.recv(12)
    except OSError:
        return b""


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_an_outage_of_redis_ends_no_process(
    stack: Stack, own_redis: Callable[[], LocalServer], pool: ThreadPoolExecutor, how: str
) -> None:
    """The API lives and is not ready, says so within its time, and is ready again by itself; so is the worker."""
    server = own_redis()
    assert server.process
    stack.environment["REDIS_URL"] = server.url
    api, worker = stack.api(), stack.worker()
    task_id = stack.submit([{"step_id": 1, "agent": "gated", "payload": "gate"}])
    wait_for(lambda: stack.ledger, "the step did not begin")
    follower: Future[str] = pool.submit(watch, stack, task_id)
    log = stack.folder / "uvicorn-0.log"
    wait_for(lambda: "stream_opened" in log.read_text(), "the stream did not open")

    server.process.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    assert httpx2.get(f"{stack.url}/healthz", timeout=REPLY_TIMEOUT_S).status_code == 200
    ready = httpx2.get(f"{stack.url}/readyz", timeout=REPLY_TIMEOUT_S)
    assert (ready.status_code, ready.headers["content-type"]) == (503, "application/problem+json")
    refused = httpx2.post(f"{stack.url}/run-task", json={"task": "Do it", "plan": LINE}, timeout=REPLY_TIMEOUT_S)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert healthy(stack, "worker", worker)
    if how == "killed":
        server.process.wait()
        own_redis()
    else:
        server.process.send_signal(signal.SIGCONT)
    (stack.folder / "gate").touch()

    wait_for(lambda: stack.answers("/readyz"), "it is not ready again")
    assert '"type":"task.completed"' in follower.result(timeout=180)
    assert stack.get(f"/tasks/{task_id}")["status"] == "completed"
    assert (api.poll(), worker.poll()) == (None, None)


def healthy(stack: Stack, what: str, process: "subprocess.Popen[bytes]") -> bool:
    """What a supervisor is told who asks."""
    command = [str(Path(os.sys.executable).parent / "stepstream"), "healthcheck", what]
    environment = os.environ | stack.environment
    return subprocess.run(command, env=environment, capture_output=True, timeout=180, check=False).returncode == 0
