"""The logs of real processes, from the first line to the last."""

import json
import os
import re
import signal
import subprocess
import sys
from typing import Any

import httpx2
import pytest

from tests.deployment import EXIT_TIMEOUT_S, REPLY_TIMEOUT_S, Stack, wait_for
from tests.e2e.commands import fresh_environment, read_until, start

CANARY = "c4n4ry"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AGENTS = f"""
import logging, sys
import structlog
from actors.agent import Permanent, Retryable, StepContext, StepInput, StepOutput, agent

@agent("talker")
async def talker(step: StepInput, ctx: StepContext) -> StepOutput:
    logging.getLogger("my.agent").warning("speaking of %s", "sk_a1_{CANARY}")
    structlog.get_logger("my.agent").info("spoke", authorization="{CANARY}", forged="a\\nb")
    return StepOutput(summary="done")

@agent("thread")
def thread(step: StepInput, ctx: StepContext) -> StepOutput:
    logging.getLogger("my.thread").warning("from a thread")
    logging.getLogger("my.thread").warning("%d", "a mistake")
    print("printed with sk_a1_{CANARY}")
    return StepOutput(summary="done")

@agent("stumbler", max_attempts=2, backoff_ms=1, backoff_ms_max=1)
async def stumbler(step: StepInput, ctx: StepContext) -> StepOutput:
    raise Retryable("no way to redis://user:{CANARY}@db:6379/0")
"""
PLAN = [
    {"step_id": 1, "agent": "talker", "payload": "a"},
    {"step_id": 2, "agent": "thread", "payload": "b"},
    {"step_id": 3, "agent": "stumbler", "payload": "c"},
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return fresh_environment(tmp_path_factory.mktemp("logs"), AGENTS)


def watched_task(url: str) -> str:
    """Runs a task to its end, after somebody was refused; returns its id."""
    refused = httpx2.get(f"{url}/tasks?token={CANARY}", headers={"Authorization": f"Bearer sk_a1_{CANARY}"}, timeout=60)
    assert refused.status_code == 401
    headers = {"X-Request-ID": "from-outside", "X-Api-Key": CANARY, "traceparent": TRACE}
    reply = httpx2.post(f"{url}/run-task", json={"task": "Talk", "plan": PLAN}, headers=headers, timeout=60)
    task_id: str = reply.json()["task_id"]
    httpx2.get(f"{url}/stream/{task_id}", timeout=REPLY_TIMEOUT_S)
    return task_id


@pytest.fixture(scope="module")
def whole_run(environment: dict[str, str]) -> tuple[str, str]:
    """(all that `up` has written from its start over a task to its end, the id of the task)"""
    up = start(environment, "up", "--port", "0", "--processes", "1", together=True)
    head = read_until(up, "ready; Ctrl-C")
    try:
        task_id = watched_task(re.findall(r"listens on (http://[\d.:]+)", head)[0])
        up.send_signal(signal.SIGTERM)
        rest, _ = up.communicate(timeout=EXIT_TIMEOUT_S)
    finally:
        up.kill()
    assert up.returncode == 0
    return head + rest, task_id


def test_every_line_of_a_whole_run_is_json(whole_run: tuple[str, str]) -> None:
    """`up`, API, workers, Dramatiq, uvicorn, agents and what they print: one object per line, no secret anywhere."""
    output, _ = whole_run
    lines = [json.loads(line) for line in output.splitlines()]

    assert all({"timestamp", "level", "event", "logger", "service"} <= line.keys() for line in lines)
    # The process of the metrics may not have begun to speak when all has ended.
    assert {line["service"] for line in lines} - {"metrics"} == {"up", "redis", "api", "workers"}
    assert CANARY not in output
    loggers = {line["logger"].partition(".")[0] for line in lines}
    assert {"app", "dramatiq", "uvicorn", "my", "output"} <= loggers


def test_lines_carry_the_ids_of_what_they_are_about(whole_run: tuple[str, str]) -> None:
    """The request's, the task's, the step's; whoever writes, in the loop or in a thread."""
    output, task_id = whole_run
    told: dict[str, dict[str, Any]] = {}
    for line in map(json.loads, output.splitlines()):
        told.setdefault(line.get("route") or line["event"], line)

    assert told["/tasks"]["status"] == 401
    assert told["/run-task"]["request_id"] == "from-outside"
    assert told["/run-task"]["trace"] == TRACE
    assert told["/run-task"]["task_id"] == task_id
    steps = {"speaking of sk_a1_[redacted]": 1, "spoke": 1, "from a thread": 2, "log_failed": 2, "attempt_failed": 3}
    for event, step_id in steps.items():
        line = told[event]
        assert (line["task_id"], line["step_id"], line["attempt"]) == (task_id, step_id, 1), event
        assert line["trace"] == TRACE
        assert line["worker"] == told["Worker process is ready for action."]["worker"]
    assert told["spoke"]["forged"] == "a b"
    assert told["attempt_failed"]["exception"][0]["exc_value"] == "no way to redis://[redacted]@db:6379/0"


@pytest.mark.full
@pytest.mark.parametrize("skip", [[], ["--skip-logging"]])
def test_workers_of_the_plain_command_write_json(bare_stack: Stack, skip: list[str]) -> None:
    """`dramatiq actors`: all but the lines of its main process, which imports nothing of ours."""
    worker = bare_stack.worker(*skip)
    worker.send_signal(signal.SIGTERM)
    worker.wait(EXIT_TIMEOUT_S)
    lines = (bare_stack.folder / "worker-0.log").read_text().splitlines()

    texts = [line for line in lines if "[dramatiq.MainProcess]" in line]
    told = [json.loads(line) for line in lines if line not in texts]
    assert "Worker process is ready for action." in [line["event"] for line in told]
    assert all(line["service"] == "workers" for line in told)
    assert len(texts) == (0 if skip else 2)


@pytest.mark.full
def test_an_api_of_the_plain_command_writes_json(bare_stack: Stack) -> None:
    """`uvicorn --factory app.main:create_app`: every line, from the start of the server to its end."""
    api = bare_stack.api()
    bare_stack.submit()
    api.send_signal(signal.SIGTERM)
    api.wait(EXIT_TIMEOUT_S)
    lines = [json.loads(line) for line in (bare_stack.folder / "uvicorn-0.log").read_text().splitlines()]

    # The third one tells that the Redis of the tests keeps nothing.
    loggers = {line["logger"] for line in lines} - {"app.preflight.watch"}
    assert loggers == {"uvicorn.error", "app.api.request_log"}
    assert [line["route"] for line in lines if line["event"] == "request_served"] == ["/run-task"]


@pytest.mark.full
def test_an_api_whose_log_nobody_reads_goes_on(bare_stack: Stack) -> None:
    """The reader of its standard error has ended: requests are served as before."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", str(bare_stack.port)],
        env={**os.environ, **bare_stack.environment}, stderr=writing, start_new_session=True,
    )  # fmt: skip
    bare_stack.processes.append(process)
    os.close(writing)
    wait_for(lambda: bare_stack.answers("/healthz"), "the API did not start")
    os.close(reading)

    assert bare_stack.submit()
    assert bare_stack.submit()
