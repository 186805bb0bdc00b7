"""
Breaks a copy of the package, one mutation at a time, and runs the tests that must notice.

    python -m tests.mutants [--only WORD] [--parallel 2]

Prints which test caught each. Exit code 1 when a mutation survives, when its text is not in the code any more,
or when one of its tests fails without it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .mutation import Mutation
from .table import MUTATIONS
from .table_api import HTTP
from .table_counts import COUNTS
from .table_dispatch import DISPATCH
from .table_doors import DOORS
from .table_features import FEATURES
from .table_handover import HANDOVER
from .table_llm import LLM
from .table_pages import PAGES
from .table_redis import REDIS
from .table_steering import STEERING
from .table_workers import WORKERS

ROOT = Path(__file__).parent.parent.parent
COPIED = ("app", "actors", "tests", "docs", "deploy", "stepstream.py", "pyproject.toml", "README.md")
TIMEOUT_S = 90
TIMEOUT_OF_ALL_S = 400
EVERY = (
    *MUTATIONS, *FEATURES, *DISPATCH, *STEERING, *HANDOVER, *HTTP, *LLM, *COUNTS, *WORKERS, *REDIS, *DOORS, *PAGES,
)  # fmt: skip
WHERE = "import app.broker; print(app.broker.__file__)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutation; `caught_by` names the failing test."""

    mutation: str
    caught_by: str | None
    problem: str | None
    seconds: float

    @property
    def line(self) -> str:
        answer = f"caught by {self.caught_by}" if self.caught_by else f"NOT CAUGHT: {self.problem}"
        return f"{self.mutation:48}{self.seconds:5.1f} s  {answer}"


class Copy:
    """The tree in a folder of its own, which may be damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__")
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        # PYTHONPATH comes before an editable install of the original.
        self._environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        loaded = self._run("-c", WHERE).stdout.strip()
        if not loaded.startswith(str(folder)):
            raise RuntimeError(f"the copy is not what runs, but {loaded}")

    def failures(self, tests: Iterable[str], timeout_s: float = TIMEOUT_S) -> tuple[list[str], str]:
        """The tests that failed, and the last lines that pytest wrote when it could not run at all."""
        done = self._run("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests, timeout_s=timeout_s)
        found = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, flags=re.M)
        if done.returncode == 0:
            return [], ""
        return found, "" if found else f"pytest exit {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}"

    def _run(self, *arguments: str, timeout_s: float = TIMEOUT_S) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *arguments]
        try:
            return subprocess.run(
                command,
                cwd=self.folder,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            said = expired.stdout.decode() if isinstance(expired.stdout, bytes) else expired.stdout or ""
            return subprocess.CompletedProcess(command, 1, f"{said}\nFAILED timeout", "")


def try_one(mutation: Mutation) -> Verdict:
    began_s = time.monotonic()
    caught_by, problem = _judge(mutation)
    return Verdict(mutation.name, caught_by, problem, time.monotonic() - began_s)


def _judge(mutation: Mutation) -> tuple[str | None, str | None]:
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy = Copy(Path(name))
        file = copy.folder / mutation.file
        text = file.read_text()
        for old, new in ((mutation.old, mutation.new), *mutation.also):
            if text.count(old) != 1:
                return None, f"its text occurs {text.count(old)} times in {mutation.file}: {old.strip()}"
            text = text.replace(old, new)
        file.write_text(text)
        failed, problem = copy.failures(mutation.tests)
        if failed:
            return failed[0].rpartition("::")[2], None
        return None, problem or "it survived"


def without_mutation(mutations: Iterable[Mutation]) -> list[str]:
    """The named tests must pass on the unharmed copy, else catching means nothing."""
    tests = sorted({test for mutation in mutations for test in mutation.tests})
    with tempfile.TemporaryDirectory(prefix="mutant-none-") as name:
        failed, problem = Copy(Path(name)).failures(tests, TIMEOUT_OF_ALL_S)
    return [*failed, *([problem] if problem else [])]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutations whose name holds this")
    parser.add_argument("--parallel", type=int, default=2)
    arguments = parser.parse_args()
    chosen = [mutation for mutation in EVERY if arguments.only in mutation.name]
    if failed := without_mutation(chosen):
        say(f"the tests fail without a mutation: {failed}")
        return 1
    with ThreadPoolExecutor(arguments.parallel) as pool:
        verdicts = []
        for verdict in pool.map(try_one, chosen):
            say(verdict.line)
            verdicts.append(verdict)
    survivors = [verdict.mutation for verdict in verdicts if verdict.caught_by is None]
    say(f"{len(verdicts) - len(survivors)} of {len(verdicts)} caught")
    return 1 if survivors or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
