"""The files of the dashboard: those of others are what their lock says, our own keep the habits of the house."""

import re
from pathlib import Path

import pytest

from app.api.dashboard import IMPORTS
from tests.dashboard.vendor import FOLDER, LOCK, PACKAGES, sha256

STATIC = FOLDER.parent
MODULES = sorted((STATIC / "js").rglob("*.js"))
OURS = [*MODULES, *sorted((STATIC / "css").glob("*.css")), STATIC / "index.html"]
FILE_LINES_MAX = 250
#: Ways for text to become code or markup, and to reach others.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function|srcdoc|"
    r"DOMParser|createContextualFragment|XMLHttpRequest|sendBeacon|WebSocket|EventSource\(|importScripts|\bcookie\b|"
    r"@import url|@import \"|\burl\("
)
IMPORT = re.compile(r'^(?:import|export)\b[^;]*?from "([^"]+)"|^import "([^"]+)"', re.MULTILINE)

named = pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(STATIC)))


def locked() -> list[list[str]]:
    return [line.split() for line in LOCK.read_text().splitlines()[1:]]


def imports(path: Path) -> list[str]:
    return [found or bare for found, bare in IMPORT.findall(path.read_text())]


def test_the_modules_of_others_are_exactly_those_of_the_lock() -> None:
    """Every file with its hash, its licence beside it, and nothing else; the versions are those that are asked for."""
    lines = locked()

    assert {file for *_, file, _ in lines} == {path.name for path in FOLDER.iterdir()} - {LOCK.name}
    for name, version, licence, file, digest in lines:
        assert sha256(FOLDER / file) == digest, file
        assert (name, version, licence) in [package[:3] for package in PACKAGES]
    for package in PACKAGES:
        kept = {file for name, *_, file, _ in lines if name == package.name}
        assert kept > set(package.files.values()), f"{package.name} has no licence beside it"


def test_the_versions_whose_types_are_checked_are_those_that_are_shipped() -> None:
    """`.ci/types` names the same."""
    text = (STATIC.parent.parent / ".ci" / "types" / "package.json").read_text()

    assert all(f'"{package.name}": "{package.version}"' in text for package in PACKAGES)


@named
def test_a_file_is_small_and_says_what_it_is_for(path: Path) -> None:
    """At most 250 lines; modules and styles begin with a comment."""
    text = path.read_text()

    assert len(text.splitlines()) <= FILE_LINES_MAX
    assert path.suffix == ".html" or text.startswith("/*")


@named
def test_no_file_makes_code_or_markup_of_text_or_asks_strangers(path: Path) -> None:
    """The browser forbids it too; here it is not even tried."""
    text = path.read_text()

    assert FORBIDDEN.findall(text) == []
    assert re.findall(r"https?://[\w./-]+", text) == []


def test_every_module_is_used_and_every_import_is_there() -> None:
    """From `main.js` on; what is called by a bare name is one of the vendored."""
    reached, front = set[Path](), [STATIC / "js" / "main.js"]
    while front:
        path = front.pop()
        if path in reached:
            continue
        reached.add(path)
        for name in imports(path):
            if name.startswith("."):
                front.append((path.parent / name).resolve())
            else:
                assert (FOLDER / IMPORTS[name]).is_file(), name

    assert reached == set(MODULES)


def test_the_model_knows_nothing_of_a_page() -> None:
    """What folds, lays out and reads can be run anywhere; only the live task watches a stream and draws."""
    for path in (STATIC / "js" / "model").glob("*.js"):
        if path.name == "task_live.js":
            continue
        assert [name for name in imports(path) if not re.fullmatch(r"\./\w+\.js|\.\./format\.js", name)] == [], (
            path.name
        )
        assert not re.search(r"\b(document|window|location)\.", path.read_text()), path.name


def test_colours_are_named_once() -> None:
    """In the tokens, as pairs for both themes; everything else uses their names."""
    for path in sorted((STATIC / "css").glob("*.css"))[1:]:
        found = set(re.findall(r"#[0-9a-fA-F]{3,8}\b", path.read_text())) - {"#fff", "#000", "#panel"}
        assert found == set(), path.name
