"""
How good are retrieval and reports? Prints one table per question of README.md.

    python -m benchmarks.quality [retrieval|reports|contradictions ...] [--half tuning|held-out|both] [--missed]

Nobody looks at the held-out half while tuning, so it has to be asked for.
"""

import argparse

from .questions import HALVES, Half, questions
from .retrieval import ceiling, score

PARTS = ("retrieval",)


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
        if "retrieval" in (chosen.parts or PARTS):
            _retrieval(half, missed=chosen.missed and half == "tuning")


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


if __name__ == "__main__":
    main()
