"""The habits of this house, held by a test: small files, small functions, a sentence on everything."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILE_LINES_MAX = 250
FUNCTION_LINES_MAX = 50
NESTING_MAX = 3
GIT_FILE_BYTES_MAX = 250_000

PROGRAM = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "actors").rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))
SCRIPTS = sorted((ROOT / "app").rglob("*.lua"))
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.AsyncWith, ast.AsyncFor, ast.Try, ast.TryStar, ast.Match)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def depth(node: ast.AST, level: int = 0) -> int:
    """How deep blocks are nested below a node; `elif` is no deeper than its `if`."""
    deepest = level
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            continue
        chained = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        deepest = max(deepest, depth(child, level + (isinstance(child, BLOCKS) and not chained)))
    return deepest


@pytest.mark.parametrize("path", named(PROGRAM))
def test_a_file_of_the_program_is_small_and_says_what_it_is_for(path: Path) -> None:
    """At most 250 lines, with a docstring on top."""
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES_MAX
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", named(PROGRAM))
def test_functions_are_short_and_flat(path: Path) -> None:
    """At most 50 lines and three levels of blocks."""
    for function in functions(path):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= FUNCTION_LINES_MAX, function.name
        assert depth(function) <= NESTING_MAX, function.name


@pytest.mark.parametrize("path", named(TESTS))
def test_every_test_says_what_it_proves(path: Path) -> None:
    """A test's docstring is its claim."""
    for function in functions(path):
        if function.name.startswith("test_"):
            assert ast.get_docstring(function), function.name


@pytest.mark.parametrize("path", named(PROGRAM))
def test_a_broad_except_gives_its_reason(path: Path) -> None:
    """`except Exception` has a comment on the line above."""
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\s*except (Base)?Exception\b", line):
            assert lines[number - 1].lstrip().startswith("#"), f"line {number + 1}"


@pytest.mark.parametrize("path", named([p for p in TESTS if "faults" not in p.parts and "e2e" not in p.parts]))
def test_tests_use_real_parts_and_wait_for_signals(path: Path) -> None:
    """No mocks of our own code and no sleeping for luck."""
    if path == Path(__file__):
        return
    text = path.read_text()
    assert "unittest.mock" not in text
    assert not re.search(r"\btime\.sleep\((?!0)", text)


@pytest.mark.parametrize("path", named(SCRIPTS))
def test_every_script_states_its_contract(path: Path) -> None:
    """A script opens with its keys, arguments, answer and reason; a library file with what it is."""
    head = path.read_text()[:2500]
    if not head.startswith("#!lua"):
        assert head.startswith("--")
        return
    for word in ("KEYS", "ARGV", "RETURNS", "WHY"):
        assert word in head, word


def test_every_transition_script_has_its_wrapper() -> None:
    """No script of dispatch is without a typed method, and none is loaded twice."""
    stores = "".join(
        (ROOT / "app" / "dispatch" / name).read_text() for name in ("store.py", "step_store.py", "sieve.py")
    )
    for path in (ROOT / "app" / "dispatch" / "lua").glob("[a-z]*.lua"):
        assert stores.count(f'transition("{path.stem}")') == 1, path.stem


@pytest.mark.parametrize("path", named(sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])))
def test_a_page_has_one_title(path: Path) -> None:
    """One h1 per page."""
    outside = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    assert len(re.findall(r"^# ", outside, flags=re.M)) == 1


def test_no_large_file_is_kept() -> None:
    """Nothing above `GIT_FILE_BYTES_MAX` lies in the tree."""
    kept = [
        p for folder in ("app", "actors", "tests", "docs", "deploy", "benchmarks") for p in (ROOT / folder).rglob("*")
    ]
    assert [p for p in kept if p.is_file() and p.suffix != ".pyc" and p.stat().st_size > GIT_FILE_BYTES_MAX] == []
