"""The direction of imports, the map of the journey, and that no import runs in a circle."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Lower levels never import higher ones; within a level anything goes that makes no circle.
LEVELS: list[tuple[str, ...]] = [
    (
        "app.model", "app.errors", "app.keys", "app.config", "app.documents", "app.draining", "app.logs",
        "app.loopback", "app.page", "app.version", "app.web",
        "app.tracing.names", "app.tracing.tracer",
        "app.access.principal", "app.access.errors",
        "app.access.exposure", "app.access.record", "app.access.token",
    ),
    ("app.broker",),
    (
        "app.redis_async", "app.redis_urls", "app.redis_shared", "app.local_redis", "app.redis_binary", "app.llm",
        "app.preflight", "app.tracing",
    ),
    (
        "app.access", "app.planning", "app.events", "app.dispatch.agent_reports", "app.dispatch.kept_answers",
        "app.dispatch.attempt", "app.dispatch.context", "app.dispatch.contract", "app.dispatch.counters",
        "app.dispatch.counting", "app.dispatch.fork", "app.dispatch.growth", "app.dispatch.intake",
        "app.dispatch.listing", "app.dispatch.memos",
        "app.dispatch.observing", "app.dispatch.progress", "app.dispatch.reader", "app.dispatch.record",
        "app.dispatch.replicas", "app.dispatch.judging", "app.dispatch.scripts", "app.dispatch.sieve",
        "app.dispatch.step_store", "app.dispatch.store", "app.dispatch.submission", "app.dispatch.tools",
        "app.dispatch.usage",
    ),
    (
        "app.dispatch.bulk", "app.dispatch.dispatcher", "app.dispatch.execute", "app.dispatch.fleet",
        "app.dispatch.housekeeping", "app.dispatch.invoke", "app.dispatch.portal", "app.dispatch.worker_report",
        "app.dispatch.runner", "app.dispatch.settling", "app.dispatch.stops", "app.dispatch.traces",
        "app.metrics",
        "app.dispatch.history", "app.dispatch.leaving", "app.dispatch.presence",
    ),
    ("app.bootstrap", "app.client", "app.heartbeat"),
    ("app.api", "actors"),
    ("app.main", "app.wire", "app.cli", "app.__main__"),
]  # fmt: skip

#: What docs/architecture.md calls these levels, in the same order.
LEVEL_NAMES = ("facts", "library", "ways out", "state", "services", "wiring", "edges", "processes")
ROW = re.compile(r"^\|([a-z ]*)\| (.*?) \| .* \|$", re.MULTILINE)

JOURNEY = {
    "app.api.tasks": "run_task",
    "app.planning.planner": "Planner.plan",
    "app.dispatch.dispatcher": "Dispatcher.submit",
    "app.dispatch.store": "TaskStore.submit",
    "app.dispatch.step_store": "StepStore.start StepStore.complete",
    "app.broker.consumer": "StreamsConsumer.__next__",
    "app.dispatch.runner": "StepRunner.run",
    "app.events.hub": "Hub",
    "app.api.stream": "stream_task",
}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the program, by dotted name."""
    for package in ("app", "actors"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imports(name: str, path: Path) -> set[str]:
    """The modules of ours that a module imports, wherever in its text."""
    known = {module for module, _ in modules()}
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, *([base] if base else [])])
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names}
    return {module for module in found if module in known and module != name}


def level(name: str) -> int:
    """The level of a module: the one with the longest matching prefix."""
    best = (-1, -1)
    for number, prefixes in enumerate(LEVELS):
        for prefix in prefixes:
            if name == prefix or name.startswith(prefix + "."):
                best = max(best, (len(prefix), number))
    return best[1]


@pytest.mark.parametrize(("name", "path"), [pytest.param(n, p, id=n) for n, p in modules()])
def test_imports_point_downwards(name: str, path: Path) -> None:
    """A module imports its own level or lower ones; packages' own `__init__` are empty and count for nothing."""
    if path.name == "__init__.py" and name.startswith("app"):
        return
    assert level(name) >= 0, f"{name} has no level"
    upwards = {other for other in imports(name, path) if level(other) > level(name) and other.count(".")}
    assert upwards == set()


def test_the_broker_imports_nothing_of_ours() -> None:
    """The broker reads, and could be published, as a library of its own."""
    for name, path in modules():
        if name.startswith("app.broker"):
            assert {other for other in imports(name, path) if not other.startswith("app.broker")} == set(), name


def test_the_application_never_imports_the_actors() -> None:
    """Agents are known by name: `app` has no import of `actors`."""
    for name, path in modules():
        if name.startswith("app"):
            assert {other for other in imports(name, path) if other.startswith("actors")} == set(), name


def test_there_is_no_import_cycle() -> None:
    """The imports form a directed graph without a circle."""
    graph = {name: imports(name, path) for name, path in modules() if path.name != "__init__.py"}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name in done or name not in graph:
            return
        for other in graph[name]:
            visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize(("module", "symbols"), JOURNEY.items())
def test_the_stations_of_the_journey_exist(module: str, symbols: str) -> None:
    """Every symbol that docs/architecture.md names on the way of a task is there, under that name."""
    loaded = importlib.import_module(module)
    page = (ROOT / "docs" / "architecture.md").read_text()
    for symbol in symbols.split():
        target = loaded
        for part in symbol.split("."):
            target = getattr(target, part)
        assert f"{module.replace('.', '/')}.py" in page
        assert symbol.rpartition(".")[2] in page


def test_the_map_has_every_folder_and_module_at_its_level() -> None:
    """docs/architecture.md names what lies in `app` and in `app/dispatch`, and puts each where the imports have it."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.partition("## What lies where\n")[2].partition("\n## ")[0]
    wanted = [path for folder in ("app", "app/dispatch") for path in (ROOT / folder).iterdir() if is_ours(path)]

    assert {path.name for path in wanted if f"{path.name}`" not in section and f"{path.name}/`" not in section} == set()

    name, placed = "", set[str]()
    for row in ROW.finditer(section.partition("\n`app` never")[0]):
        name = row[1].strip() or name
        for path in re.findall(r"`(app/[a-z_/]+|actors)(?:\.py)?`", row[2]):
            module = path.replace("/", ".")
            assert level(module) in (-1, LEVEL_NAMES.index(name)), module
            placed.add(module)
    assert {f"app.{path.stem}" for path in wanted if path.parent.name == "app" and path.is_dir()} <= placed


def is_ours(path: Path) -> bool:
    """Whether it is a folder or a module to be read; `__init__` and `__main__` are not."""
    filled = path.is_dir() and any(child.name != "__pycache__" for child in path.iterdir())
    return not path.name.startswith("__") and (filled or path.suffix == ".py")
