"""Before they begin, API and workers look at Redis: what would lose or tear tasks is refused, the rest is told."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from app import local_redis
from app.errors import Unavailable
from app.preflight.finding import Finding
from app.preflight.start import Verdict, look
from tests.deployment import Stack, deployment, free_port, wait_for
from tests.redis_users import GuardedRedis, bundled_valkey, debian_redis, guarded_redis

LIMITED = {"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru"}
SOUND = {"maxmemory": "0", "maxmemory-policy": "noeviction", "appendonly": "yes"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRedis]:
    with guarded_redis(debian_redis(), tmp_path_factory.mktemp("guarded"), free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local_redis.LocalServer]:
    """A server that may be configured badly."""
    server = local_redis.start_server(bundled_valkey(), tmp_path_factory.mktemp("own"))
    yield server
    server.stop()


@pytest.fixture
def configured(own: local_redis.LocalServer) -> Iterator[Callable[..., str]]:
    """Configures that server, for one test; returns its url."""
    with redis.Redis.from_url(own.url, protocol=2) as client:

        def configure(settings: dict[str, str]) -> str:
            for name, value in settings.items():
                client.config_set(name, value)
            return own.url

        yield configure
        configure(SOUND)


def seen(url: str, **options: bool) -> Verdict:
    with redis.Redis.from_url(url, protocol=2) as client:
        return look(client, local_redis.without_password(url), "stepstream", "worker", **options)


def lines(findings: list[Finding]) -> list[str]:
    return [f"{finding.check}: {finding.said}" for finding in findings]


@pytest.mark.parametrize("role", ["api", "worker"])
def test_what_is_shipped_is_sound(server: GuardedRedis, role: str) -> None:
    """What its users may not ask is named, and no refusal stands in the server's log of them."""
    with server.client(role) as client:
        verdict = look(client, "redis://here", "stepstream", role)  # type: ignore[arg-type]

    assert (verdict.refusals, verdict.warnings, verdict.unchecked) == ([], [], ["buffers"])
    assert server.denied() == []


def test_a_local_server_is_sound(configured: Callable[..., str]) -> None:
    """As `stepstream up` starts it: nothing is said."""
    verdict = seen(configured(SOUND))

    assert (verdict.refusals, verdict.warnings, verdict.unchecked) == ([], [], [])


def test_a_server_that_evicts_is_refused_unless_it_is_wanted(configured: Callable[..., str]) -> None:
    """What it throws out is a lost task."""
    url = configured(LIMITED)

    assert lines(seen(url).refusals) == ["eviction: maxmemory-policy is allkeys-lru: what Redis evicts is a lost task"]
    wanted = seen(url, may_evict=True)
    assert (wanted.refusals, [line.partition(":")[0] for line in lines(wanted.warnings)]) == ([], ["eviction"])


def test_one_that_keeps_nothing_is_told_of(configured: Callable[..., str]) -> None:
    """For tests and demonstrations that may be right."""
    verdict = seen(configured({"appendonly": "no", "save": ""}))

    assert (verdict.refusals, lines(verdict.warnings)) == (
        [], ["persistence: nothing is written to disk: a restart of Redis loses every task"]
    )  # fmt: skip


def test_a_permission_that_is_missing_is_named(server: GuardedRedis) -> None:
    """Found out at work, it would stop a script in the middle."""
    with server.client("admin") as admin:
        admin.execute_command("ACL", "SETUSER", "torn", "on", f">{server.password}", "~*", "&*", "+@all")
        for rules in (["-xadd", "-info"], ["resetchannels"], ["resetkeys", "~{stepstream:0}:t:*"], ["-eval"]):
            admin.execute_command("ACL", "SETUSER", "torn", *rules)
            with server.client("torn") as client:
                verdict = look(client, "redis://here", "stepstream", "worker")
            admin.execute_command("ACL", "SETUSER", "torn", "~*", "&*", "+@all")
            assert [finding.check for finding in verdict.refusals] == ["permissions"], rules
            if "-info" in rules:
                assert verdict.unchecked == ["redis", "persistence", "memory"]
                assert "XADD {stepstream:0}:ev:x * f v" in verdict.refusals[0].said
        admin.execute_command("ACL", "LOG", "RESET")


def test_one_that_is_away_is_not_judged() -> None:
    """Who needs it waits for it."""
    with pytest.raises(Unavailable, match="No Redis answers"):
        seen(f"redis://127.0.0.1:{free_port()}/0")


@pytest.mark.parametrize(
    "command",
    [["uvicorn", "--factory", "app.main:create_app", "--port", "0"], ["dramatiq", "actors", "--processes", "1"]],
    ids=["api", "workers"],
)
def test_processes_end_with_a_line_and_code_2(
    configured: Callable[..., str], tmp_path: Path, command: list[str]
) -> None:
    """Before they listen or take any work."""
    program = [str(Path(sys.executable).parent / command[0]), *command[1:]]
    told = deployment(tmp_path, configured(LIMITED), "refused").environment
    done = subprocess.run(program, env={**os.environ, **told}, capture_output=True, text=True, timeout=300, check=False)

    refused = [line for line in (done.stdout + done.stderr).splitlines() if "redis_refused" in line]
    assert done.returncode == 2
    assert len(refused) == 1
    assert "maxmemory-policy is allkeys-lru" in refused[0]
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.full
def test_a_server_that_comes_later_is_looked_at_then(tmp_path: Path) -> None:
    """The API lives without it and is not ready; when it comes and evicts, the API ends."""
    port = free_port()
    stack: Stack = deployment(tmp_path, f"redis://127.0.0.1:{port}/0", "later")
    process = stack.api()
    assert not stack.answers("/readyz")

    limits = [word for name, value in LIMITED.items() for word in (f"--{name}", value)]
    command = [str(debian_redis()), "--port", str(port), "--save", "", "--dir", str(tmp_path), *limits]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: process.poll() is not None, "the API goes on")
        log = next(tmp_path.glob("uvicorn-*.log")).read_text()
        assert "redis_away" in log
        assert log.count("redis_refused") == 1
    finally:
        stack.stop()
        server.terminate()
        server.wait(timeout=180)
