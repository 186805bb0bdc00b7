"""`stepstream healthcheck`, as supervisors run it beside real processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.heartbeat import FOLDER, Beat, beating, beats
from tests.deployment import EXIT_TIMEOUT_S, Stack, free_port, running, wait_for


@pytest.fixture(scope="module")
def stack(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API process; a test starts the workers that it needs."""
    with running(tmp_path_factory.mktemp("healthcheck"), redis_url) as stack:
        yield stack


def checked(stack: Stack, *arguments: str, **more: str) -> tuple[int, str]:
    """Exit code and words of a check with the settings of the deployment, but with a Redis that is not there."""
    away = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    done = subprocess.run(
        [str(Path(sys.executable).parent / "stepstream"), "healthcheck", *arguments],
        env=os.environ | stack.environment | away | more, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_an_api_that_answers_lives(stack: Stack) -> None:
    """Also when it listens at all addresses."""
    port = {"STEPSTREAM_API_PORT": str(stack.port)}

    for host in ("127.0.0.1", "0.0.0.0"):
        # A check waits three seconds for the answer, and whoever asks asks again.
        told = port | {"STEPSTREAM_API_HOST": host}
        wait_for(lambda told=told: checked(stack, "api", **told) == (0, "the API answers\n"), host)  # type: ignore[misc]


def test_an_api_that_does_not_answer_is_told_from_one_that_does() -> None:
    """Nobody listens at that port."""
    code, said = checked(Stack(Path(), {}), "api", STEPSTREAM_API_PORT=str(free_port()))

    assert (code, said.count("\n")) == (1, 1)
    assert "does not answer" in said


def test_a_bad_setting_is_no_illness() -> None:
    """A supervisor that restarts for it would do so for ever: another exit code, and a line that names it."""
    code, said = checked(Stack(Path(), {}), "api", STEPSTREAM_API_PORT="many")

    assert code == 2
    assert said.startswith("STEPSTREAM_API_PORT: ")


def test_a_worker_lives_until_its_loop_stands_still_or_it_is_killed(stack: Stack) -> None:
    """Seen with Redis away; what a killed process has left behind counts for nothing."""
    assert checked(stack, "worker")[0] == 1
    worker = stack.worker()
    folder = stack.folder / "data" / FOLDER
    (beat,) = wait_for_beats(stack)

    assert checked(stack, "worker") == (0, "living worker processes: 1\n")
    os.kill(beat.pid, signal.SIGSTOP)
    (path,) = folder.iterdir()
    os.utime(path, (0, 0))
    code, said = checked(stack, "worker")
    os.kill(beat.pid, signal.SIGCONT)
    assert code == 1
    assert f"worker process {beat.pid} has been silent for" in said
    wait_for(lambda: checked(stack, "worker")[0] == 0, "it did not come back")

    stack.kill(worker)
    code, said = checked(stack, "worker")
    assert path.exists()
    assert code == 1
    assert "no worker process gives a sign of life" in said


def wait_for_beats(stack: Stack) -> list[Beat]:
    wait_for(lambda: beats(stack.folder / "data"), "no sign of life")
    return beats(stack.folder / "data")


@pytest.mark.full
def test_an_orderly_end_leaves_nothing_behind(stack: Stack) -> None:
    """The file goes with its process."""
    worker = stack.worker()
    wait_for_beats(stack)
    (stack.folder / "data" / FOLDER / "another-host.1").touch()
    worker.send_signal(signal.SIGTERM)
    worker.wait(EXIT_TIMEOUT_S)

    assert beats(stack.folder / "data") == []


def test_the_heart_beats(tmp_path: Path) -> None:
    """Again and again, and no longer when it is over."""

    async def turned() -> None:
        async with beating(tmp_path, interval_s=0.01):
            (path,) = (tmp_path / FOLDER).iterdir()
            os.utime(path, (0, 0))
            await asyncio.to_thread(wait_for, lambda: path.stat().st_mtime > 0, "the heart stood still")
            assert [beat.pid for beat in beats(tmp_path)] == [os.getpid()]

    asyncio.run(turned())
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_worker_that_may_not_write_works_on(tmp_path: Path) -> None:
    """Something else is where its folder should be."""
    (tmp_path / FOLDER).write_text("")

    async def worked() -> None:
        async with beating(tmp_path):
            assert beats(tmp_path) == []

    asyncio.run(worked())


def test_a_worker_with_a_misspelt_queue_ends(stack: Stack) -> None:
    """It would read nothing for ever, and nobody would know."""
    process = stack._start("dramatiq", "actors", "--processes", "1", "--queues", "noop", "retreiver")
    assert process.wait(EXIT_TIMEOUT_S) != 0
    (log,) = [path for path in stack.folder.glob("dramatiq-*.log") if b"queues_unknown" in path.read_bytes()]

    assert b'"names":["retreiver"]' in log.read_bytes().replace(b": ", b":")
    assert b"Traceback" not in log.read_bytes()
