"""Shell scripts, read by shellcheck; YAML that no other tool looks through for a key that stands twice."""

import pytest

from tests.deploy.tools import DEPLOY, ROOT, accepted

SCRIPTS = [ROOT / ".ci" / "run"] + [
    path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")
]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in SCRIPTS])
def test_a_script_has_no_doubtful_line(path: object) -> None:
    """Quoting, portability, and what a shell would pass over in silence."""
    accepted("shellcheck", str(path))


def test_no_key_stands_twice() -> None:
    """The second one would win, and nobody would know."""
    accepted("yamllint", "--strict", "-c", ROOT / "tests" / "deploy" / "yamllint.yaml", DEPLOY)
