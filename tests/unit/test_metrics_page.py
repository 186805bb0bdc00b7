"""docs/metrics.md against what processes tell: every name, its type and its labels, in both directions."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.events.places import HubCounters
from app.metrics.prometheus.process import ApiMetrics
from app.metrics.prometheus.truth import TruthCollector
from app.metrics.worker_scrape import WorkerScrape
from tests.unit.test_metrics_prometheus import TRUTH, promtool

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
COLUMNS = "| metric | type | labels | meaning |"
#: Makes the counts of a process, says so, and stays until it is killed.
COUNTING = """
import sys
from pathlib import Path
from app.metrics.worker_counts import WorkerCounts
counts = WorkerCounts(Path(sys.argv[1]), ["writer"], ["writer"], slots=8)
print("!", end="", flush=True)
sys.stdin.read()
"""
#: What a histogram adds to its name, and labels with it.
PARTS = re.compile(r"_(bucket|sum|count)$")

#: Name to type and labels.
Metrics = dict[str, tuple[str, frozenset[str]]]


def truth() -> str:
    registry = CollectorRegistry()
    registry.register(TruthCollector(TRUTH))
    return generate_latest(registry).decode()


def process() -> str:
    """All that is not of Redis."""
    metrics = ApiMetrics()
    metrics.refusals.labels("rate-limited").inc()
    text = metrics.render(HubCounters(), None).decode()
    return text[: text.index("# HELP stepstream_redis_up")]


def workers() -> str:
    """One process that has counted one of everything, and lives."""
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-c", COUNTING, str(Path(folder) / "1.cells")]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.read(1) == b"!"
            scrape = WorkerScrape(Path(folder))
            text = scrape.render().decode()
            scrape.close()
            process.kill()
    return text


#: Sections of the page with a table of metrics, and a scrape of all of them.
EXPORTERS: dict[str, Callable[[], str]] = {"From Redis": truth, "Of an API process": process, "Of workers": workers}


def documented(section: str) -> Metrics:
    """The rows of a section's table."""
    _, found, text = PAGE.partition(f"\n## {section}\n")
    assert found, f"no section {section}"
    lines = text.partition("\n## ")[0].splitlines()
    first = lines.index(COLUMNS) + 2
    last = next((n for n, line in enumerate(lines[first:], first) if not line.startswith("|")), len(lines))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first:last]]
    assert all(meaning for *_, meaning in rows)
    return {name: (kind, frozenset(re.findall(r"\w+", labels))) for name, kind, labels, _ in rows}


def exposed(text: str) -> Metrics:
    """What a scrape tells."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in text_string_to_metric_families(text)
    }


@pytest.mark.parametrize("section", EXPORTERS)
def test_the_page_has_every_metric_and_no_other(section: str) -> None:
    """Whoever adds, renames or relabels one is told to say so."""
    assert documented(section) == exposed(EXPORTERS[section]())


def test_no_metric_is_told_by_redis_and_by_a_process() -> None:
    """What is added up and what is not must not share a name."""
    assert documented("From Redis").keys().isdisjoint({**documented("Of an API process"), **documented("Of workers")})


def checked_by_prometheus(kind: str, file: Path, text: str) -> None:
    file.write_text(text)
    done = subprocess.run([promtool(), "check", *kind.split(), str(file)], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.full
def test_prometheus_takes_what_is_on_the_page(tmp_path: Path) -> None:
    """The configuration as it stands there, and every query."""
    checked_by_prometheus(
        "config --syntax-only", tmp_path / "prometheus.yml", *re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    )
    queries = [
        query.strip()
        for block in re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL)
        for query in re.split(r"\n(?! )", re.sub(r"(?m)^#.*\n", "", block).strip())
    ]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    assert len(rules) > 5
    checked_by_prometheus("rules", tmp_path / "rules.yml", json.dumps({"groups": [{"name": "page", "rules": rules}]}))


def test_every_name_on_the_page_exists() -> None:
    """Queries that are copied from it find something."""
    known = {name for section in EXPORTERS for name in documented(section)}
    named = {PARTS.sub("", name) for name in re.findall(r"\bstepstream_\w+", PAGE)}
    assert named <= known
