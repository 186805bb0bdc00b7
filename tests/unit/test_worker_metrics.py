"""Parts of the workers' metrics: cells, the folder of a run, the address that is told."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.bootstrap.exporter import reachable
from app.config import Settings
from app.dispatch.worker_report import read_report
from app.metrics.cells import SUFFIX, Cells, Reading
from app.metrics.run_folder import RunFolder
from app.metrics.worker_scrape import WorkerScrape

#: Is in the folder of a run until it is killed.
STAYING = """
import sys
from pathlib import Path
from app.metrics.run_folder import RunFolder
folder = RunFolder.enter([Path(sys.argv[1])], sys.argv[2])
print("!", flush=True)
sys.stdin.read()
"""


#: Counts one batch, and is a worker of four threads until it is killed.
COUNTING = """
import sys
from pathlib import Path
from app.metrics.cells import Cells
slots, batches = ("stepstream_worker_slots",), ("stepstream_batches", "q", "done")
cells = Cells(Path(sys.argv[1]) / sys.argv[2], {slots: 1, batches: 1})
cells.add(slots, 4)
cells.add(batches, 1)
print("!", flush=True)
sys.stdin.read()
"""


def staying(base: Path, name: str, program: str = STAYING) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", program, str(base), name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert b"!\n" in process.stdout  # behind what it has logged
    return process


def test_threads_lose_no_count(tmp_path: Path) -> None:
    """Eight of them add to one cell; what nobody has declared is not counted and harms nothing."""
    cells = Cells(tmp_path / "a.cells", {("n",): 1, ("h", "x"): 3})

    def add(_: int) -> None:
        for _ in range(2_000):
            cells.add(("n",), 1)
            cells.observe(("h", "x"), 1, 0.5)
            cells.add(("unknown",), 1)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(8)))
    reading = Reading(tmp_path / "a.cells")

    assert reading.values() == {("n",): [16_000], ("h", "x"): [0, 16_000, 8_000]}
    reading.close()
    cells.close()


def test_what_a_killed_process_has_counted_stays_and_what_it_was_does_not(tmp_path: Path) -> None:
    """kill -9 of one of two: its counts are in the sums for good, also when its file is gone; its gauges are not."""
    scrape = WorkerScrape(tmp_path)

    def told() -> list[float]:
        lines = dict(line.rsplit(" ", 1) for line in scrape.render().decode().splitlines() if line[0] != "#")
        batches = 'stepstream_batches_total{outcome="done",queue="q"}'
        return [float(lines[name]) for name in (batches, "stepstream_worker_slots", "stepstream_worker_processes")]

    with staying(tmp_path, f"1{SUFFIX}", COUNTING) as killed, staying(tmp_path, f"2{SUFFIX}", COUNTING) as living:
        both = told()
        killed.kill()
        killed.wait()
        one = told()
        (tmp_path / f"1{SUFFIX}").unlink()
        without_file = told()
        living.kill()
    scrape.close()

    assert (both, one, without_file) == ([2, 8, 2], [2, 4, 1], [2, 4, 1])


def test_the_last_one_to_leave_removes_the_folder(tmp_path: Path) -> None:
    """Not the one before it."""
    with staying(tmp_path / "base", "run") as other:
        RunFolder.enter([tmp_path / "base"], "run").leave()
        assert (tmp_path / "base" / "run").exists()
        other.kill()
    RunFolder.enter([tmp_path / "base"], "run").leave()

    assert not (tmp_path / "base" / "run").exists()


def test_only_folders_of_the_dead_are_swept(tmp_path: Path) -> None:
    """One whose process lives stays; one that a killed run left, and one that was never locked, go."""
    base = tmp_path / "base"
    with staying(base, "killed") as killed:
        killed.kill()
    (base / "unlocked").mkdir()
    with staying(base, "living") as living:
        folder = RunFolder.enter([base], "own")
        found = {path.name for path in base.iterdir()}
        living.kill()
    folder.leave()

    assert found == {"living", "own"}
    assert base.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_open_is_not_used(tmp_path: Path) -> None:
    """Nor one that cannot be made: then the next place is taken, and without any it is said."""
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir(mode=0o755)
    folder = RunFolder.enter([tmp_path / "file", tmp_path / "open", tmp_path / "good"], "run")

    assert folder.path == tmp_path / "good" / "run"
    folder.leave()
    with pytest.raises(PermissionError, match="ours alone"):
        RunFolder.enter([tmp_path / "open"], "run")


@pytest.mark.parametrize(
    ("host", "redis_url", "told"),
    [
        ("10.0.0.7", "redis://127.0.0.1", "10.0.0.7"),
        ("0.0.0.0", "redis://127.0.0.1", "127.0.0.1"),
        ("::", "redis://127.0.0.1:7000/3", "127.0.0.1"),
    ],
)
def test_the_address_that_is_told_leads_here(host: str, redis_url: str, told: str) -> None:
    """For all addresses it is the one with which Redis is reached."""
    assert reachable(Settings(metrics_host=host, redis_url=redis_url)) == told


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("http://10.0.0.7:9191/metrics", "http://10.0.0.7:9191/metrics"),
        ("http://[fd00::7]:9191/metrics", "http://[fd00::7]:9191/metrics"),
        ("http://10.0.0.7:9191/elsewhere", None),
        ("http://user@10.0.0.7:9191/metrics", None),
        ("file:///etc/passwd", None),
        ("", None),
    ],
)
def test_what_is_no_address_of_metrics_is_not_passed_on(said: str, read: str | None) -> None:
    """Whoever writes to Redis must not send Prometheus anywhere else."""
    assert read_report({"metrics_url": said}).metrics_url == read
