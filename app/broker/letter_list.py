"""The dead letters of several queues as one list, the newest first, page by page."""

from collections.abc import Sequence
from typing import NamedTuple

import redis

from .dead_letters import DeadLetter, DeadLetters
from .keys import ShardKeys
from .scripts import ScriptArgument, load_script, run_script

LETTERS = load_script(__package__, "letters.lua")


class LetterPlace(NamedTuple):
    """Where a letter stands in the list: by time of death (server ms), queue, id, each descending."""

    died_at_ms: int
    queue: str
    letter_id: str


def read_letters(
    client: "redis.Redis", keys: ShardKeys, queues: Sequence[str], after: LetterPlace | None, limit: int
) -> tuple[list[DeadLetter], LetterPlace | None]:
    """
    At most `limit` letters behind `after`, and the place of the last of them; `None` when nothing follows.

    None is shown twice and none is passed over, whatever dies or is taken away between two pages.
    """
    places = _places(client, keys, queues, after, limit + 1)
    page = places[:limit]
    found: dict[LetterPlace, DeadLetter] = {}
    for queue in {place.queue for place in page}:
        ids = [place.letter_id for place in page if place.queue == queue]
        letters = DeadLetters(client, keys.queue(queue), keys).named(ids)
        found |= {LetterPlace(place.died_at_ms, queue, place.letter_id): letters[place.letter_id]
                  for place in page if place.queue == queue and place.letter_id in letters}  # fmt: skip
    # What was taken away between the two looks is left out.
    return [found[place] for place in page if place in found], page[-1] if len(places) > limit else None


def _places(
    client: "redis.Redis", keys: ShardKeys, queues: Sequence[str], after: LetterPlace | None, limit: int
) -> list[LetterPlace]:
    if not queues:
        return []
    args: list[ScriptArgument] = [limit]
    for queue in queues:
        args += _bound(queue, after)
    rows = run_script(client, LETTERS, [keys.queue(queue).dlq for queue in queues], args)
    places = [
        LetterPlace(int(float(died)), queue, member.decode())
        for queue, row in zip(queues, rows, strict=True)
        for member, died in zip(row[::2], row[1::2], strict=True)
    ]
    return sorted(places, key=_order, reverse=True)[:limit]


def _order(place: LetterPlace) -> tuple[int, bytes, bytes]:
    """As the server orders members: by their bytes."""
    return place.died_at_ms, place.queue.encode(), place.letter_id.encode()


def _bound(queue: str, after: LetterPlace | None) -> tuple[str, int, str]:
    """Which letters of a queue stand behind a place of the whole list."""
    if after is None:
        return "", 0, ""
    if queue == after.queue:
        return "behind", after.died_at_ms, after.letter_id
    return ("until" if queue.encode() < after.queue.encode() else "before"), after.died_at_ms, ""
