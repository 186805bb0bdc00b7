"""Takes out of an analysis whatever its passages do not bear out, so that what is left may be printed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from actors.tools.analysing.findings import (
    Agreement,
    Analysis,
    Code,
    Difference,
    Instruction,
    Procedure,
    Side,
    Verdict,
    find_gaps,
)  # fmt: skip
from actors.tools.reporting.citations import Claim, Q, Verification, verify
from actors.tools.splitting.passages import Passage
from app.model.report import CitationCounts


@dataclass(frozen=True, slots=True)
class Checked:
    """The analysis with only what holds, over all passages there were, and what became of its citations."""

    analysis: Analysis
    counts: CitationCounts


def check_analysis(analysis: Analysis, passages: Mapping[str, Passage]) -> Checked:
    """Verifies every quotation; gaps and verdicts are worked out again where something had to go."""
    verification = verify(map(Claim.of, analysis.quotations), passages)
    pieces = [code for procedure in analysis.procedures for step in procedure.instructions for code in step.code]
    forged = sum(not _stands(code, passages) for code in pieces)
    counts = verification.counts
    findings = _held(analysis.findings, verification)
    update: dict[str, object] = {
        "findings": findings,
        "agreements": [kept for a in analysis.agreements if (kept := _agreement(a, verification))],
        "differences": [pair for pair in analysis.differences if _holds(pair, verification)],
        "verdicts": [_verdict(verdict, verification) for verdict in analysis.verdicts],
        "procedures": [k for p in analysis.procedures if (k := _procedure(p, verification, passages))],
        "passages": dict(passages),
    }
    if len(findings) < len(analysis.findings):
        update["gaps"] = find_gaps(analysis.subjects, analysis.topics, findings)
    return Checked(
        analysis.model_copy(update=update),
        CitationCounts(
            total=counts["total"] + len(pieces),
            ok=counts["ok"] + len(pieces) - forged,
            repaired=counts["repaired"],
            dropped=counts["dropped"] + forged,
        ),
    )


def _held(quotations: Iterable[Q], verification: Verification) -> list[Q]:
    return [held for quotation in quotations if (held := verification.of(quotation))]


def _agreement(agreement: Agreement, verification: Verification) -> Agreement | None:
    sides = _held(agreement.sides, verification)
    return agreement.model_copy(update={"sides": sides}) if len(sides) > 1 else None


def _holds(pair: Difference, verification: Verification) -> bool:
    """Both sides must hold as they are: one that was mended may no longer differ."""
    return all(Claim.of(side) in verification.held for side in (pair.a, pair.b))


def _verdict(verdict: Verdict, verification: Verification) -> Verdict:
    """Without its evidence a verdict is another one."""
    sides, against = _untouched(verdict.sides, verification), _untouched(verdict.against, verification)
    if len(sides) == len(verdict.sides) and len(against) == len(verdict.against):
        return verdict
    if verdict.verdict == "disputed" and bool(sides) != bool(against):
        left = "supported" if sides else "contradicted"
        return verdict.model_copy(update={"verdict": left, "sides": sides or against, "against": []})
    if not sides:
        return Verdict(claim=verdict.claim, verdict="not found")
    return verdict.model_copy(update={"sides": sides, "against": against})


def _untouched(sides: list[Side], verification: Verification) -> list[Side]:
    return [side for side in sides if Claim.of(side) in verification.held]


def _procedure(procedure: Procedure, verification: Verification, passages: Mapping[str, Passage]) -> Procedure | None:
    instructions: list[Instruction] = []
    for instruction in _held(procedure.instructions, verification):
        code = [piece for piece in instruction.code if _stands(piece, passages)]
        instructions.append(instruction.model_copy(update={"code": code}))
    return procedure.model_copy(update={"instructions": instructions}) if instructions else None


def _stands(code: Code, passages: Mapping[str, Passage]) -> bool:
    """Whether it is an exact slice of its passage, and each of its lines one of that slice."""
    passage = passages.get(code.pid)
    if passage is None or passage.pid != code.pid or not code.quote or code.quote not in passage.text:
        return False
    lines = {line.strip() for line in code.quote.split("\n")}
    return all(line.strip() in lines for line in code.text.split("\n"))
