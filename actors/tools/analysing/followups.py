"""
What to search for again when something was not found: at most one round, and only where it can find more.

A search gives every word of its query the passage that has it best. So a word that stands in none of the passages
found stands nowhere, and asking for it once more in the same words would find the same. Another search has a chance
when

    the subject and what is missing about it were never searched for together,
    there is another word for it that was not searched for, or
    the word stands in a passage that was found, but in no sentence that answers, and more passages may have it.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from actors.tools.analysing.findings import Analysis, Gap
from actors.tools.splitting.passages import Passage
from actors.tools.text.vocabulary import synonyms
from actors.tools.text.words import content_words, related, stem, stem_set
from app.model.plan import OnFailure

FOLLOW_UPS_MAX = 3
PASSAGES_MAX = 6  # per search
FOUND_FULL = 6  # with fewer passages found, all were found that have any of the words
SYNONYMS_MAX = 4  # each is a query of its own
QUERY_CHARS_MAX = 400
REASON_CHARS_MAX = 300

RawStep = dict[str, Any]


def follow_up(analysis: Analysis, searched: Sequence[str], passages: Iterable[Passage], limit: int) -> list[RawStep]:
    """The steps that search for what is missing, side by side; empty when there is no point."""
    texts = [stem_set(passage.text) for passage in passages]
    wanted = (
        (gap, words) for gap in _distinct(analysis.gaps) if (words := _queries(gap, analysis.topics, searched, texts))
    )
    chosen = islice(wanted, min(limit, FOLLOW_UPS_MAX))
    return [_search(at, gap, queries) for at, (gap, queries) in enumerate(chosen, start=1)]


def _search(at: int, gap: Gap, queries: list[str]) -> RawStep:
    what = f"{gap.term} of {gap.subject}" if gap.term and gap.subject else gap.term or gap.subject
    reason = f"Nothing was found about {what}: search for it by itself and in other words."
    payload = {"text": queries[0], "queries": queries[1:], "passages_max": PASSAGES_MAX}
    # What fails here takes nothing away from what was found before.
    more = {"reason": _cut(reason), "on_failure": str(OnFailure.CONTINUE)}
    return {"step_id": at, "agent": "retriever", "payload": payload, "depends_on": [], **more}


def _cut(reason: str) -> str:
    return reason if len(reason) <= REASON_CHARS_MAX else reason[: REASON_CHARS_MAX - 1] + "\u2026"


def _distinct(gaps: Iterable[Gap]) -> list[Gap]:
    return list({(gap.subject, gap.term): gap for gap in gaps}.values())


def _queries(gap: Gap, topics: Sequence[str], searched: Sequence[str], texts: list[frozenset[str]]) -> list[str]:
    """What to search for: the missing part by itself, then in other words; empty where nothing new could come."""
    missing = content_words(gap.term or gap.subject)
    if not missing:
        return []
    about = content_words(gap.subject if gap.term and gap.subject else " ".join(t for t in topics if t != gap.term))
    known = [stem_set(query) for query in searched]
    others = list(dict.fromkeys(word for part in missing for word in synonyms(part)))
    fresh = [word for word in others if not any(stem(word) in words or related(word) & words for words in known)]
    asked = frozenset(map(stem, [*about, *missing] if gap.subject else missing))
    untried = not any(asked <= words for words in known)
    more = len(texts) >= FOUND_FULL and any(stem(word) in words for word in missing for words in texts)
    if not (untried or fresh or more):
        return []
    if not gap.subject and not untried:
        # With the rest of the question the same passages would come first once more.
        return [" ".join([*missing, *fresh[:SYNONYMS_MAX]])[:QUERY_CHARS_MAX]]
    return [" ".join([*about, *words])[:QUERY_CHARS_MAX] for words in (missing, *([w] for w in fresh[:SYNONYMS_MAX]))]
