"""
Whatever tasks, events, errors, queues and files are called: nothing of it controls the terminal.

Every command runs as on a terminal with colours, against an API and a Redis in which every text is hostile.
"""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

from app.broker.keys import ShardKeys, tag
from app.cli.main import Stepstream, cli
from tests.unit.scripted_server import ScriptedServer, serving

#: Moves the cursor, sets the title, the same in eight bits, turns letters round, deletes, rings, returns, breaks.
EVIL = "\x1b[66;66H\x1b]0;pwned\x07\x9b66m\u202e\u2067\u202a\x08\x7f\r\x0c\u009d0;x\u009c evil"
#: All that a terminal obeys, but colours and what rich needs to draw a table again in its place.
FORBIDDEN = re.compile(
    r"\x1b(?!\[[0-9;]*m|\[[0-9]*[AK]|\[\?25[lh])|[\x00-\x08\x0b-\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
    "|[\u202a-\u202e\u2066-\u2069]"
)
TASK = "0-01a214e6-0ca5-7351-a64d-a68e150c84ef"
LINKS = dict.fromkeys(("self", "stream", "result", "events", "metrics"), EVIL)
STEP = {"step_id": 1, "agent": EVIL, "payload": EVIL, "reason": EVIL}
VIEW = {
    "task_id": EVIL, "task": EVIL, "status": "failed", "tenant": EVIL, "priority": 5, "labels": {EVIL: EVIL},
    "planner": EVIL, "created_ms": 10**17, "finished_ms": 10**18, "deadline_ms": 1, "last_seq": 5,
    "error": {"message": EVIL, "code": EVIL},
    "steps": [{"step_id": 1, "agent": EVIL, "status": "failed", "depends_on": [1], "error": {"message": EVIL}}],
}  # fmt: skip
WORKER = {
    "worker_id": EVIL, "alive": True, "host": EVIL, "pid": 1, "version": EVIL, "since_ms": 1, "seen_ms": 1,
    "silent_ms": 10**18, "queues": [EVIL], "threads": 1, "in_flight": 1,
    "running": [{"task_id": EVIL, "step_id": 1, "agent": EVIL, "attempt": 1, "running_ms": 5}],
}  # fmt: skip
AGENT = {
    "name": EVIL, "description": EVIL, "module": EVIL, "asynchronous": True, "queue": EVIL, "provider": EVIL,
    "input_schema": {EVIL: EVIL}, "output_schema": {EVIL: EVIL}, "gathers": True, "timeout_ms": 1, "max_attempts": 1,
    "backoff_ms": 1, "backoff_ms_max": 1, "batch_size_max": 1, "deferrals_max": 1,
}  # fmt: skip
REPORT = (
    f"# {EVIL}\n\n&#x1b;[2J &#x202e; &#155; [{EVIL}](http://{EVIL})\n\n```\n{EVIL}\n```\n\n| a |\n|---|\n| {EVIL} |\n"
)


def event(seq: int, kind: str, **data: Any) -> str:
    body = {"v": 1, "seq": seq, "type": kind, "ts": 10**18, "task_id": EVIL, "worker": EVIL, "data": data}
    step = {"step_id": 1, "agent": EVIL, "attempt": 1} if kind.startswith("step.") else {}
    return f"id: {seq}-1\nevent: x\ndata: {json.dumps(body | step)}\n\n"


EVENTS = "".join([
    "retry: 2000\n\n",
    event(1, "plan.created", steps=[STEP], planner=EVIL),
    event(2, "step.started", delivery=1),
    event(3, "step.progress", message=EVIL, current=1, total=2),
    event(4, EVIL, anything={EVIL: [EVIL]}),
    event(5, "step.retry_scheduled", delay_ms=5, reason=EVIL),
    event(6, "step.completed", summary=EVIL, duration_ms=1),
    event(7, "task.paused", by=EVIL, reason=EVIL),
    event(8, "task.completed", duration_ms=5),
    "event: stream.end\ndata: {}\n\n",
])  # fmt: skip
METRICS = {"status": "completed", "per_agent": {EVIL: {"steps": 1}}}
SUMMARY = VIEW | {"steps": 3, "steps_left": 1}
ACCEPTED = {"task_id": EVIL, "status": "queued", "plan": {"planner": "rules", "steps": []}, "links": LINKS}


def answer(request: BaseHTTPRequestHandler) -> tuple[str, str]:
    """(content type, body) of a hostile API."""
    path = request.path.partition("?")[0]
    if path.startswith("/stream"):
        return "text/event-stream", EVENTS
    if path.endswith("/result"):
        return "text/markdown", REPORT
    found: Any = VIEW
    if path == "/tasks":
        found = {"tasks": [SUMMARY], "next": None}
    elif path == "/tasks/bulk":
        found = {"outcomes": [{"task_id": EVIL, "refused": EVIL}], "next": None}
    elif path == "/workers":
        found = [WORKER]
    elif path == "/agents":
        found = [AGENT]
    elif path == "/plan":
        found = {"planner": "rules", "steps": [STEP]}
    elif path == "/run-task" or path.endswith("/fork"):
        found = ACCEPTED
    elif path.startswith("/metrics"):
        found = METRICS
    return "application/json", json.dumps(found)


def speak(request: BaseHTTPRequestHandler) -> None:
    kind, body = answer(request)
    respond(request, 200, kind, body)


def refuse(request: BaseHTTPRequestHandler) -> None:
    problem = {"title": EVIL, "detail": EVIL, "errors": [{"pointer": EVIL, "detail": EVIL}]}
    respond(request, 422, "application/problem+json", json.dumps(problem))


def babble(request: BaseHTTPRequestHandler) -> None:
    respond(request, 500, "text/plain", EVIL)


def respond(request: BaseHTTPRequestHandler, status: int, kind: str, body: str) -> None:
    content = body.encode()
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


@pytest.fixture(scope="module")
def api() -> Iterator[ScriptedServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def hostile_redis(
    redis_client: "redis.Redis", redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A queue, a dead letter, a worker and a task whose names and texts are hostile."""
    for name, value in {
        "STEPSTREAM_REDIS_URL": redis_url, "STEPSTREAM_NAMESPACE": namespace, "STEPSTREAM_DATA_DIR": str(tmp_path),
        "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "160",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    shard = ShardKeys(tag(namespace))
    queue = shard.queue("evil")
    redis_client.sadd(shard.queues, "evil", EVIL)
    redis_client.zadd(queue.dlq, {EVIL: 1})
    redis_client.hset(queue.dlq_bodies, EVIL, EVIL)
    redis_client.hset(queue.dlq_meta, EVIL, json.dumps({"reason": EVIL, "error": EVIL, "level": 1, "deliveries": 1}))
    redis_client.zadd(shard.workers, {f"{EVIL}:1:a": 1})
    redis_client.zadd(f"{shard.tag}:open", {EVIL: 1})
    redis_client.set(f"{shard.tag}:{EVIL}", 1)


#: How each command is called. `up`, `api` and `worker` show logs, which are cleaned where they are written; checks of
#: health say their own words and numbers only.
CALLS: dict[str, list[str]] = {
    "run": ["run", "Do it"],
    "demo": ["demo", "Do it"],
    "plan": ["plan", "Do it"],
    "agents": ["agents"],
    "tasks ls": ["tasks", "ls"],
    "tasks show": ["tasks", "show", TASK],
    "tasks cancel": ["tasks", "cancel", TASK, TASK],
    "tasks pause": ["tasks", "pause", TASK],
    "tasks resume": ["tasks", "resume", TASK],
    "tasks retry": ["tasks", "retry", TASK],
    "tasks fork": ["tasks", "fork", TASK, "--from-step", "1"],
    "tasks rm": ["tasks", "rm", TASK, TASK],
    "tasks bulk": ["tasks", "bulk", "cancel", "--yes"],
    "events tail": ["events", "tail", TASK],
    "workers": ["workers"],
    "queues": ["queues"],
    "queues pause": ["queues", "pause", "evil"],
    "queues resume": ["queues", "resume", EVIL],
    "dlq ls": ["dlq", "ls", "evil"],
    "dlq requeue": ["dlq", "requeue", "evil", EVIL],
    "dlq purge": ["dlq", "purge", "evil", "--all"],
    "keys create": ["keys", "create", "--name", EVIL],
    "keys ls": ["keys", "ls"],
    "keys revoke": ["keys", "revoke", EVIL],
    "doctor": ["doctor"],
}
OWN_WORDS = {"up", "api", "worker", "healthcheck api", "healthcheck worker"}
OF_THE_API = {"run", "demo", "plan", "agents", "workers", "doctor"}


def commands() -> Iterator[str]:
    """Every command there is, by its words."""
    for name, place in Stepstream.places.items():
        command = place.load(name)
        inner = {word: found for word, found in getattr(command, "commands", {}).items() if not found.hidden}
        if not inner or getattr(command, "invoke_without_command", False):
            yield name
        yield from (f"{name} {word}" for word in inner)


def test_no_command_is_forgotten() -> None:
    """Who adds one adds it here."""
    assert set(commands()) == CALLS.keys() | OWN_WORDS


def called(name: str, url: str, *form: str) -> Result:
    asks_api = name in OF_THE_API or name.startswith(("tasks ", "events "))
    return CliRunner().invoke(cli, [*CALLS[name], *form, *(["--url", url] if asks_api else [])])


def check(result: Result) -> None:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    found = FORBIDDEN.search(result.output)
    assert found is None, (found, result.output[max(0, found.start() - 40) : found.end() + 40])
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", CALLS)
def test_nothing_hostile_reaches_the_terminal(api: ScriptedServer, name: str) -> None:
    """Whether the API does what it is asked, refuses, or is broken."""
    form = [] if name in ("run", "demo", "doctor", "keys create") else ["--no-json"]
    shown = ""
    for kind in (speak, refuse, babble):
        api.answers = [kind]
        result = called(name, api.url, *form)
        check(result)
        shown += result.output

    # It was there, without its teeth.
    assert "evil" in shown or name.startswith("keys ")


@pytest.mark.parametrize("name", CALLS)
def test_for_programs_it_is_spelt_out(api: ScriptedServer, name: str) -> None:
    """JSON is ASCII, so nothing is lost and nothing happens."""
    api.answers = [speak]
    result = called(name, api.url, "--json")

    check(result)
    assert all(json.loads(line) for line in result.stdout.splitlines())
