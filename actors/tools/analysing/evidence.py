"""Reads what the steps before this one found: the passages of retrievers, the analyses of analyzers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from actors.tools.analysing.findings import Analysis, Finding
from actors.tools.splitting.passages import Passage
from app.dispatch.context import StepContext
from app.errors import Permanent
from app.model.report import Unread

PASSAGES_MAX = 400  # that one step analyses; the best of each source come first
FAILED = "its steps failed or did not run"
UNREAD_MAX = 20  # documents that a report names

PASSAGES = TypeAdapter(list[Passage])


@dataclass(slots=True)
class Evidence:
    """Passages by their id in a fair order, the analyses behind them, and how many documents were searched."""

    passages: dict[str, Passage] = field(default_factory=dict)
    analyses: list[Analysis] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    documents: int = 0
    unread: list[Unread] = field(default_factory=list)

    @property
    def claims(self) -> list[str]:
        """The statements that earlier analyses have judged."""
        return list(dict.fromkeys(verdict.claim for analysis in self.analyses for verdict in analysis.verdicts))

    @property
    def searched(self) -> list[str]:
        """Every query so far, those behind earlier analyses included."""
        return list(
            dict.fromkeys([*self.searches, *(query for analysis in self.analyses for query in analysis.searched)])
        )

    @property
    def followed_up(self) -> bool:
        return any(analysis.followed_up for analysis in self.analyses)

    @property
    def picked(self) -> frozenset[tuple[str, str]]:
        """What earlier analyses chose, as (pid, quotation)."""
        return frozenset((said.pid, said.quote) for analysis in self.analyses for said in analysis.quotations)

    def unused(self, findings: Iterable[Finding]) -> list[Unread]:
        """What could not be used, without the parts for which something was found after all."""
        found = {finding.subject for finding in findings}
        return [entry for entry in self.unread if entry.kind != "part" or entry.uri not in found]

    @property
    def is_one_analysis(self) -> bool:
        return len(self.analyses) == 1 and not self.searches


def read_evidence(ctx: StepContext, subjects: Sequence[str] = ()) -> Evidence:
    """
    The evidence in the outputs of this step's dependencies; outputs of other shapes are passed over.

    A dependency without an output is among what could not be used. The first dependencies are those of `subjects`,
    one each; steps that were added to look once more for what was missing are no parts of their own.

    Raises `Permanent` when none of them has passages: no later attempt would find any.
    """
    evidence = Evidence()
    by_source: list[list[Passage]] = []
    for step_id, output in ctx.outputs():
        try:
            by_source += _read_output(output, evidence)
        except ValidationError as error:
            raise Permanent(
                f"Step {step_id} left passages of another shape: {_first(error)}.", code="bad_input"
            ) from error
    if not by_source:
        raise Permanent(_why_nothing(ctx), code="no_evidence")
    _note_unread(evidence, _failed_parts(ctx, subjects, followed_up=evidence.followed_up))
    evidence.passages = {passage.pid: passage for passage in _in_turns(by_source)}
    return evidence


def _why_nothing(ctx: StepContext) -> str:
    if not ctx.missing:
        return f"The {ctx.agent} needs a retriever or an analyzer before it."
    steps = f"step{'s' if len(ctx.missing) > 1 else ''} {', '.join(map(str, ctx.missing))}"
    return f"There is nothing to work on: {steps} failed or did not run."


def _failed_parts(ctx: StepContext, subjects: Sequence[str], *, followed_up: bool) -> Iterator[Unread]:
    named = len(ctx.depends_on) == len(subjects) or (followed_up and len(ctx.depends_on) > len(subjects))
    for place, step_id in enumerate(ctx.depends_on):
        if step_id in ctx.inputs:
            continue
        if named and place < len(subjects):
            yield Unread(uri=subjects[place], reason=FAILED, kind="part")
        elif not followed_up:
            yield Unread(uri=f"Step {step_id}", reason=FAILED, kind="part")


def _read_output(output: Any, evidence: Evidence) -> list[list[Passage]]:
    passages = output.get("passages") if isinstance(output, dict) else None
    if isinstance(passages, list):
        found = PASSAGES.validate_python(passages)
        evidence.searches.append(str(output.get("query", "")))
        left_out = [*_unread(output.get("unreachable")), *_unread(output.get("skipped"))]
        doubted = [entry.model_copy(update={"kind": "note"}) for entry in _unread(output.get("notes"))]
        _note_unread(evidence, [*left_out, *doubted])
        evidence.documents = max(evidence.documents, _count(output), len({passage.uri for passage in found}))
        return [found]
    if isinstance(passages, dict) and "findings" in output:
        analysis = Analysis.model_validate(output)
        evidence.analyses.append(analysis)
        _note_unread(evidence, analysis.unread)
        evidence.documents = max(evidence.documents, analysis.documents)
        return [list(analysis.passages.values())]
    return []


def _note_unread(evidence: Evidence, found: Iterable[Unread]) -> None:
    known = {document.uri for document in evidence.unread}
    evidence.unread += [document for document in found if document.uri not in known][: UNREAD_MAX - len(known)]


def _unread(entries: Any) -> Iterator[Unread]:
    """What a retriever says it could not use: names, or objects with the address or name and the reason."""
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str):
            yield Unread(uri=entry)
        elif isinstance(entry, dict) and isinstance(uri := entry.get("uri") or entry.get("name"), str):
            yield Unread(uri=uri, reason=str(entry.get("reason") or ""))


def _count(output: dict[str, Any]) -> int:
    documents = output.get("documents", 0)
    return documents if isinstance(documents, int) else 0


def _in_turns(by_source: list[list[Passage]]) -> list[Passage]:
    """The first of each source, then the second of each, so that a limit cuts all alike."""
    longest = max(len(passages) for passages in by_source)
    mixed = [passages[at] for at in range(longest) for passages in by_source if at < len(passages)]
    return list({passage.pid: passage for passage in mixed}.values())[:PASSAGES_MAX]


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'/'.join(str(part) for part in problem['loc'])} {problem['msg']}"
