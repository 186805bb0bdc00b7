"""Checks that every quotation really stands in its document, and every entry in its half: run it after any change."""

from functools import cache

from .corpora import corpus
from .questions import HALVES, Place, pairs, questions, real_differences, reports, words


def main() -> None:
    faults = [*_halves(), *_quotations()]
    for fault in faults:
        print(fault)
    if faults:
        raise SystemExit(f"{len(faults)} faults")
    print("every quotation stands in its document, every entry in its half")


def _halves() -> list[str]:
    entries = [(half, entry) for half in HALVES for entry in (*questions(half), *reports(half), *pairs(half))]
    return [f"{entry.key}: belongs to {entry.half}" for half, entry in entries if entry.half != half]


def _quotations() -> list[str]:
    places: list[tuple[str, str, Place]] = []
    for half in HALVES:
        places += [(q.corpus, q.text, place) for q in questions(half) for answer in q.answers for place in answer]
        places += [(r.corpus, r.id, place) for r in reports(half) for aspect in r.aspects for place in aspect.any]
        places += [(p.corpus, p.id, (p.document, p.original)) for p in pairs(half)]
    places += [(d.corpus, d.id, place) for d in real_differences() for place in (d.a, d.b)]
    return [f"{key}: not in {place[0]}: {place[1]}" for name, key, place in places if not _stands(name, place)]


def _stands(corpus_name: str, place: Place) -> bool:
    document, quotation = place
    return words(quotation) in _texts(corpus_name).get(document, "")


@cache
def _texts(corpus_name: str) -> dict[str, str]:
    return {name: words(document.plain) for name, document in corpus(corpus_name).items()}


if __name__ == "__main__":
    main()
