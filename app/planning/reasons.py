"""Why a step is in the plan, in words that name what it is about."""

from collections.abc import Sequence

from app.model.plan import Intent
from app.planning.branches import Branch
from app.planning.reading import EVERYTHING, Reading

REASON_CHARS_MAX = 300
NAMES_SHOWN_MAX = 4
NAME_CHARS_MAX = 120

PARTS = {Intent.COMPARISON: "subjects", Intent.CHECK: "statements", Intent.SUMMARY: "sources"}


def search(reading: Reading, branch: Branch) -> str:
    """Why this search is made, and what its failure would mean."""
    if branch.query == EVERYTHING:
        return "Take passages from all over the documents: nothing in particular is asked for."
    what = f"Find passages about {_name(branch)}{_on(branch.aspects)}"
    count = len(reading.branches)
    if count == 1:
        return _bounded(f"{what}.")
    return _bounded(
        f"{what}: one of {count} {PARTS.get(reading.intent, 'parts')}, searched side by side. "
        "If it fails, the report goes on without it and says so."
    )


def analysis(branch: Branch) -> str:
    """What is made of the passages of one branch."""
    if branch.query == EVERYTHING:
        return "Select what the documents say above all."
    name = _name(branch)
    told = {
        Intent.CHECK: f"Judge by its passages whether it holds: {name}",
        Intent.HOWTO: f"Put the steps in order that the passages give for {name}",
        Intent.SUMMARY: f"Select what the passages say above all about {name}",
    }
    return _bounded(told.get(branch.intent, f"Work out what the passages say about {name}{_on(branch.aspects)}") + ".")


def merge(reading: Reading) -> str:
    """What the parts are brought together for."""
    names = _listed([_name(branch) for branch in reading.branches])
    told = {
        Intent.COMPARISON: f"Set {names} side by side{_on(reading.aspects)} and see where their sources differ",
        Intent.CHECK: f"Bring the verdicts together: {names}",
    }
    return _bounded(told.get(reading.intent, f"Bring the parts together, each in its place: {names}") + ".")


def report(reading: Reading) -> str:
    """What the last step writes."""
    several = len(reading.branches) > 1
    names = _listed([_name(branch) for branch in reading.branches])
    told = {
        Intent.COMPARISON: f"the comparison of {names}" if several else "the comparison",
        Intent.CHECK: "the verdicts" if several else "the verdict",
        Intent.HOWTO: "the instructions",
        Intent.SUMMARY: "the summary",
        Intent.OVERVIEW: f"the overview of {names}",
    }
    return _bounded(f"Write {told.get(reading.intent, 'the answer')}, with a checked citation for each statement.")


def _name(branch: Branch) -> str:
    return f"“{_cut(branch.subject, NAME_CHARS_MAX)}”"


def _on(aspects: Sequence[str]) -> str:
    return f" ({', '.join(aspects)})" if aspects else ""


def _listed(names: Sequence[str]) -> str:
    """ "A, B and C", or the first few and how many more."""
    shown = list(names[:NAMES_SHOWN_MAX])
    if len(names) > NAMES_SHOWN_MAX:
        shown.append(f"{len(names) - NAMES_SHOWN_MAX} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _bounded(text: str) -> str:
    return _cut(text, REASON_CHARS_MAX)


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"
