"""
How good are retrieval and reports? Prints one table per question of README.md.

    python -m benchmarks.quality [retrieval|reports|contradictions ...] [--half tuning|held-out|both] [--missed]

Nobody looks at the held-out half while tuning, so it has to be asked for.
"""

import argparse

from . import contradictions
from .contradictions import Outcome
from .questions import HALVES, Half, pairs, questions, real_differences, reports
from .retrieval import ceiling, score
from .whole_reports import figures, forged_citations, score_reports, unanswered

PARTS = ("retrieval", "reports", "contradictions")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description="Scores retrieval and reports.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)}; all unless named")
    parser.add_argument("--half", choices=[*HALVES, "both"], default="tuning", help="default: tuning")
    parser.add_argument("--missed", action="store_true", help="name what was missed, of the tuning half only")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    halves: tuple[Half, ...] = HALVES if chosen.half == "both" else (chosen.half,)
    for half in halves:
        missed = chosen.missed and half == "tuning"
        for part, show in (("retrieval", _retrieval), ("reports", _reports), ("contradictions", _contradictions)):
            if part in (chosen.parts or PARTS):
                show(half, missed=missed)
    if "contradictions" in (chosen.parts or PARTS):
        _outcome("real documents", contradictions.real(real_differences()), missed=chosen.missed)


def _retrieval(half: Half, *, missed: bool) -> None:
    asked = [question for question in questions(half) if question.answers]
    print(f"\nretrieval, {half} half: {len(asked)} questions, {ceiling(asked):.0%} of the answers whole in a passage\n")
    print("| engine | recall at 5 | MRR | easy | paraphrased | several documents | index s | query ms, median |")
    print("|---|---|---|---|---|---|---|---|")
    scores = score(asked)
    for found in scores:
        kinds = " | ".join(f"{found.by_kind.get(kind, 0):.2f}" for kind in ("easy", "paraphrased", "multi"))
        cost = f"{found.built_s:.2f} | {found.query_ms:.1f}"
        print(f"| {found.engine} | {found.recall:.2f} | {found.mrr:.2f} | {kinds} | {cost} |")
    for found in scores if missed else []:
        print(f"\nmissed by {found.engine}:", *found.missed, sep="\n  ")


def _reports(half: Half, *, missed: bool) -> None:
    tasks = reports(half)
    tally = score_reports(tasks)
    asked, owned, bad = unanswered(questions(half))
    forged = [forged_citations(task) for task in tasks]
    print(f"\nreports, {half} half: {tally.reports} tasks\n\n| | |\n|---|---|")
    rows = [*figures(tally), ("questions without an answer that are owned up to", f"{owned}/{asked}")]
    put, out, told = (sum(counts) for counts in zip(*forged, strict=True))
    rows.append(("forged citations kept out, and told as dropped", f"{out}/{put}, {told}"))
    print(*(f"| {name} | {figure} |" for name, figure in rows), sep="\n")
    if missed:
        print("", *tally.faults, *(f"not owned up to: {question}" for question in bad), sep="\n  ")


def _contradictions(half: Half, *, missed: bool) -> None:
    _outcome(f"planted, {half} half", contradictions.planted(pairs(half)), missed=missed)
    asked = [(question.corpus, question.text) for question in questions(half)]
    asked += [(task.corpus, task.task) for task in reports(half)]
    told = contradictions.reported(asked)
    print(f"\n{len(asked)} tasks on whole corpora tell of {len(told)} differences", *told if missed else [], sep="\n  ")


def _outcome(name: str, outcome: Outcome, *, missed: bool) -> None:
    print(f"\ncontradictions, {name}: recall {outcome.recall:.2f}, precision {outcome.precision:.2f}\n")
    print("| kind | planted | both sides retrieved | found |\n|---|---|---|---|")
    for kind, count in sorted(outcome.planted.items()):
        print(f"| {kind} | {count} | {outcome.reached[kind]} | {outcome.found[kind]} |")
    print(f"| none: false alarms | {outcome.harmless} | | {outcome.alarms} |")
    print(f"| others reported | | | {outcome.other} |")
    if missed:
        print("", *outcome.faults, sep="\n  ")


if __name__ == "__main__":
    main()
