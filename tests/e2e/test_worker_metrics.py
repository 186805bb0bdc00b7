"""The workers' metrics: exact over all processes of a supervisor, whatever happens to them, and nothing left behind."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import orjson
import pytest

from app import local_redis
from app.metrics.exporter import PORTS, listening
from tests.deployment import EXIT_TIMEOUT_S, LASTING_LEASE, LINE, Stack, deployment, free_port, running, wait_for
from tests.prometheus import Scrape, complaints, scrape, total

STARTED = "stepstream_step_wait_seconds_count"
ENDED = "stepstream_step_duration_seconds_count"
SERVED = {"STEPSTREAM_METRICS": "true", "STEPSTREAM_METRICS_PORT": "0", **LASTING_LEASE}
GATED = [{"step_id": 1, "agent": "gated", "payload": "gate"}]


def urls(stack: Stack, supervisor: "subprocess.Popen[bytes]") -> list[str]:
    """Where a supervisor has said that its metrics are, one for each time."""
    log = stack.folder / f"worker-{stack.processes.index(supervisor)}.log"
    lines = [orjson.loads(line) for line in log.read_text().splitlines() if line.startswith('{"')]
    return [str(line["url"]) for line in lines if line["event"] == "metrics_served"]


def metrics_of(stack: Stack, supervisor: "subprocess.Popen[bytes]", times: int = 1) -> str:
    """The same, once it serves for the nth time."""
    wait_for(lambda: len(urls(stack, supervisor)) >= times, "the metrics are not served")
    return urls(stack, supervisor)[-1]


def run_lines(stack: Stack, number: int) -> int:
    """Runs so many tasks of three steps; the number of their steps."""
    tasks = [stack.submit(LINE) for _ in range(number)]
    for task in tasks:
        wait_for(lambda task=task: stack.get(f"/tasks/{task}")["status"] == "completed", "a task did not end")
    return number * len(LINE)


def settled(url: str, steps: int) -> Scrape:
    """A scrape, once so many steps are counted: the last is settled in Redis a moment before it is counted."""
    wait_for(lambda: total(scrape(url), ENDED) >= steps, "not all steps were counted")
    return scrape(url)


def assert_counted(found: Scrape, steps: int) -> None:
    """All of these steps, once, and nothing else."""
    assert found[f'{ENDED}{{agent="noop",outcome="completed"}}'] == steps
    assert (total(found, ENDED), total(found, STARTED)) == (steps, steps)
    assert total(found, "stepstream_steps_running") == 0
    assert found['stepstream_step_duration_seconds_bucket{agent="noop",le="+Inf",outcome="completed"}'] == steps


def refuses(url: str) -> bool:
    """Whether nobody listens there any more."""
    host, port = httpx2.URL(url).host, httpx2.URL(url).port
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0


def folders(stack: Stack) -> list[Path]:
    return list((stack.folder / "data" / "metrics").iterdir())


@pytest.fixture(scope="module")
def fleet(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str]]:
    """An API, and a supervisor of two worker processes that nobody harms, with the address of its metrics."""
    with running(tmp_path_factory.mktemp("fleet"), redis_url, **SERVED) as stack:
        yield stack, metrics_of(stack, stack.worker("--processes", "2"))


@pytest.fixture
def served(redis_url: str, namespace: str, tmp_path: Path) -> Iterator[Stack]:
    """A deployment whose workers serve metrics, with its API; they may take seconds to stop."""
    stack = deployment(tmp_path, redis_url, namespace, **SERVED, STEPSTREAM_SHUTDOWN_GRACE_MS="20000")
    stack.api()
    yield stack
    stack.stop()


def test_what_two_processes_did_is_summed_up(fleet: tuple[Stack, str]) -> None:
    """Each step is counted once, whichever process ran it; the gauges are those of all."""
    stack, url = fleet
    found = settled(url, run_lines(stack, 5))

    assert_counted(found, 15)
    assert total(found, 'stepstream_batches_total{outcome="done",queue="noop"}') >= 5
    assert (found["stepstream_worker_processes"], found["stepstream_worker_slots"]) == (2, 8)
    assert total(found, "stepstream_build_info") == 1


def test_the_api_knows_where_the_metrics_are(fleet: tuple[Stack, str]) -> None:
    """Each worker names its supervisor's address, and there is one target for both."""
    stack, url = fleet
    wait_for(lambda: {w["metrics_url"] for w in stack.get("/workers")} == {url}, "the workers do not tell")
    (worker, _) = stack.get("/workers")
    (target,) = stack.get("/workers/targets")

    assert target == {"targets": [httpx2.URL(url).netloc.decode()], "labels": {"host": worker["host"]}}


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/healthz", 200, b"ok\n"),
        ("HEAD", "/metrics", 200, b""),
        ("GET", "/", 404, b"Here are /metrics and /healthz.\n"),
        ("POST", "/metrics", 405, b"Only GET and HEAD.\n"),
    ],
    ids=["health", "head", "elsewhere", "post"],
)
def test_nothing_else_is_served(fleet: tuple[Stack, str], method: str, path: str, status: int, body: bytes) -> None:
    """What HTTP has to say of all other requests, and of what made the server not a word."""
    reply = httpx2.request(method, httpx2.URL(fleet[1]).join(path), timeout=60)

    assert (reply.status_code, reply.content) == (status, body)
    assert "server" not in reply.headers
    assert ("allow" in reply.headers) == (status == 405)


def test_a_request_has_a_limit(fleet: tuple[Stack, str]) -> None:
    """More of it than anybody needs is not read."""
    reply = httpx2.get(fleet[1], headers={"x-long": "x" * 70_000}, timeout=60)

    assert reply.status_code == 431


@pytest.mark.full
def test_the_linter_of_prometheus_has_no_complaint(fleet: tuple[Stack, str]) -> None:
    """Names, units, types and help texts."""
    run_lines(fleet[0], 1)

    assert complaints(httpx2.get(fleet[1], timeout=60).text) == ""


@pytest.mark.full
@pytest.mark.parametrize("options", [["--use-spawn"], ["--processes", "4"]], ids=["spawned", "four"])
def test_any_number_of_processes_is_summed_up(served: Stack, options: list[str]) -> None:
    """However the processes are started; and when they have stopped, nothing is left of port and folder."""
    supervisor = served.worker(*options)
    url = metrics_of(served, supervisor)
    assert_counted(settled(url, run_lines(served, 10)), 30)

    supervisor.send_signal(signal.SIGTERM)

    assert supervisor.wait(timeout=EXIT_TIMEOUT_S) == 0
    wait_for(lambda: refuses(url), "the port is still taken")
    assert folders(served) == []


@pytest.mark.full
def test_a_killed_process_loses_no_count_and_leaves_no_gauge(served: Stack) -> None:
    """
    kill -9 of one of two, in the middle of a step: what it had counted stays, what it ran does not run any more. Its
    supervisor ends behind the step of the other; the next one begins with nothing.
    """
    supervisor = served.worker("--processes", "2", "--threads", "1")
    url = metrics_of(served, supervisor)
    settled(url, run_lines(served, 5))
    for _ in range(2):
        served.submit(GATED)
    wait_for(lambda: len({line[-1] for line in served.ledger}) == 2, "not each process has a step")
    assert total(scrape(url), "stepstream_steps_running") == 2

    os.kill(int(served.ledger[0][-1]), signal.SIGKILL)
    wait_for(lambda: scrape(url)["stepstream_worker_processes"] == 1, "the death was not noticed")
    found = scrape(url)
    (served.folder / "gate").touch()
    supervisor.wait(timeout=EXIT_TIMEOUT_S)
    wait_for(lambda: refuses(url), "the port is still taken")
    left = folders(served)
    second = metrics_of(served, served.worker())
    # The other process may have taken over what was killed before it ended; this step is for the new one in any case.
    served.submit(GATED)
    fresh = settled(second, 1)

    assert found[f'{ENDED}{{agent="noop",outcome="completed"}}'] == 15
    assert (found['stepstream_steps_running{agent="gated"}'], found["stepstream_worker_slots"]) == (1, 1)
    assert left == []
    assert f'{ENDED}{{agent="noop",outcome="completed"}}' in fresh
    assert fresh[f'{ENDED}{{agent="noop",outcome="completed"}}'] == 0


@pytest.mark.full
def test_the_exporter_dies_with_its_supervisor(served: Stack) -> None:
    """kill -9 of the supervisor alone: the port is free at once, and the next one sweeps the folder."""
    supervisor = served.worker()
    url = metrics_of(served, supervisor)

    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    wait_for(lambda: refuses(url), "the exporter lives on")
    (left,) = folders(served)
    os.killpg(supervisor.pid, signal.SIGKILL)
    metrics_of(served, served.worker())

    assert left not in folders(served)
    assert len(folders(served)) == 1


@pytest.mark.full
def test_a_reload_begins_anew(served: Stack) -> None:
    """SIGHUP: the same process executes itself; its counts are a new run's, at the same port."""
    served.environment["STEPSTREAM_METRICS_PORT"] = str(free_port())
    supervisor = served.worker()
    url = metrics_of(served, supervisor)
    settled(url, run_lines(served, 2))

    supervisor.send_signal(signal.SIGHUP)
    again = metrics_of(served, supervisor, times=2)
    fresh = scrape(again)
    found = settled(again, run_lines(served, 3))

    assert again == url
    assert total(fresh, ENDED) == 0
    assert_counted(found, 9)
    assert len(folders(served)) == 1


@pytest.mark.full
def test_two_supervisors_share_a_machine(served: Stack) -> None:
    """A stranger's port is passed over, the second one takes a port behind the first one's, each counts its own."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        served.environment["STEPSTREAM_METRICS_PORT"] = str(port)
        places = [metrics_of(served, served.worker()) for _ in range(2)]
        steps = run_lines(served, 10)
        wait_for(lambda: sum(total(scrape(url), ENDED) for url in places) >= steps, "not all steps were counted")
        wait_for(lambda: len(served.get("/workers/targets")) == 2, "not both are told")

    assert sum(total(scrape(url), ENDED) for url in places) == steps
    ports = [httpx2.URL(url).port or 0 for url in places]
    assert port < ports[0] < ports[1] <= port + 15


@pytest.mark.full
def test_nothing_is_counted_where_nobody_wants_it(bare_stack: Stack) -> None:
    """`STEPSTREAM_METRICS=false`: no process, no folder, no address."""
    bare_stack.api()
    bare_stack.worker()
    run_lines(bare_stack, 1)
    (worker,) = bare_stack.get("/workers")

    assert worker["metrics_url"] is None
    assert bare_stack.get("/workers/targets") == []
    assert not (bare_stack.folder / "data" / "metrics").exists()
    assert "ForkProcess" not in (bare_stack.folder / "worker-1.log").read_text()


@pytest.mark.full
def test_metrics_are_served_without_redis(
    own_redis: Callable[[], local_redis.LocalServer], tmp_path: Path, namespace: str
) -> None:
    """They say themselves that Redis is away: calls are made again."""
    server = own_redis()
    stack = deployment(tmp_path, server.url, namespace, **SERVED)
    try:
        url = metrics_of(stack, stack.worker())
        server.stop()
        wait_for(lambda: scrape(url)["stepstream_redis_retries_total"] > 0, "no repeated call was counted")

        assert scrape(url)["stepstream_worker_processes"] == 1
    finally:
        stack.stop()


def test_the_first_free_port_is_taken() -> None:
    """One of sixteen; for what is no matter of the port there is no second try."""
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with listening("127.0.0.1", port) as second:
            assert port < second.getsockname()[1] < port + PORTS
    with pytest.raises(OSError, match="assign"):
        listening("192.0.2.1", port)
