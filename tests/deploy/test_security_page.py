"""The checklist of docs/security.md: each control is where it says, each proof is a test that there is."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.deploy.tools import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
TABLE = PAGE[PAGE.index("## Checklist") : PAGE.index("What is open")]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE.splitlines() if line.startswith("| ")
][1:]
PROOF = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{number}-{row[0]}") for number, row in enumerate(ROWS)])
def test_a_control_is_where_it_says_and_its_proof_exists(row: list[str]) -> None:
    """Every path leads somewhere, and every row names a test at least."""
    _, _, where, proof = row
    folder = Path()
    for path in re.findall(r"`([^`]+)`", where):
        # A bare name lies beside the one before it.
        found = Path(path) if "/" in path else folder / path
        assert (ROOT / found).exists(), path
        folder = found.parent
    proofs = PROOF.findall(proof)
    assert proofs
    assert len(proofs) == proof.count("`") / 2
    assert [f"{path}::{name}" for path, name in proofs if name not in functions_of(path)] == []


def test_no_risk_of_the_lists_is_left_out() -> None:
    """Each of both top tens is in the table, or is said not to apply."""
    named = set(re.findall(r"\b(?:API|LLM)\d+", PAGE[PAGE.index("## Checklist") :]))

    assert {f"API{number}" for number in range(1, 11)} <= named
    assert {f"LLM{number:02}" for number in range(1, 11)} <= named
