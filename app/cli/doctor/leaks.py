"""Keys that will never go away by themselves, and should."""

import re

from app.cli.doctor.place import Place, Words, text
from app.preflight.finding import Findings, number, ok, warn

KEYS_MAX = 50_000
SCAN_COUNT = 1_000
NAMED_MAX = 3
#: What lasts, or is emptied by those who use it: the rows without an expiry in `app/keys.py` and `app/broker/keys.py`.
LASTING = re.compile(
    r"open|deadlines|expiry|audit|totals|llm|keys|fire|queues|paused|depth|workers|sweep:[^:]+"
    r"|(ix|busy|line|q|due|dlq|starts):.+"
)
#: What lasts as long as its task is open.
OF_A_TASK = re.compile(r"(?:t|ev):([^:]+)")
#: Documents, and how many open tasks need them.
DOCUMENTS = re.compile(r"(docs:[0-9a-f]{64})(?::tasks)?")


def leaks(place: Place) -> Findings:
    """Is there a key without an expiry that nothing needs any more?"""
    found: list[str] = []
    looked = 0
    cursor = 0
    while looked < KEYS_MAX:
        reply = place.ask("SCAN", cursor, "MATCH", f"{place.keys.tag}:*", "COUNT", SCAN_COUNT)
        cursor, names = int(reply[0]), [text(name) for name in reply[1]]
        found += _leaked(place, names)
        looked += len(names)
        if not cursor:
            break
    whole = "" if not cursor else f" (of the first {looked:,} keys)"
    if found:
        shown = ", ".join(found[:NAMED_MAX]) + (", ..." if len(found) > NAMED_MAX else "")
        advice = "nothing uses them: look at them, then UNLINK them"
        yield warn("leaks", f"{number(len(found), 'key')} will never expire{whole}: {shown}", advice)
        return
    yield ok("leaks", f"every one of {looked:,} keys lasts, drains or expires{whole}")


def _leaked(place: Place, names: list[str]) -> list[str]:
    suspects = [name for name in names if not LASTING.fullmatch(_part(place, name))]
    ttls = place.ask_all([("PTTL", name) for name in suspects])
    lasting = [name for name, ttl in zip(suspects, ttls, strict=True) if ttl == -1]
    needed = place.ask_all([_question(place, _part(place, name)) for name in lasting])
    # Between the questions a task may have ended: then the key has got its expiry since.
    again = place.ask_all([("PTTL", name) for name in lasting])
    return [name for name, is_needed, ttl in zip(lasting, needed, again, strict=True) if not is_needed and ttl == -1]


def _question(place: Place, part: str) -> Words:
    """The command whose answer is something if the key is needed."""
    if task := OF_A_TASK.fullmatch(part):
        return ("ZSCORE", place.keys.open, task[1])
    if documents := DOCUMENTS.fullmatch(part):
        return ("GET", f"{place.keys.tag}:{documents[1]}:tasks")
    return ("GET", f"{place.keys.tag}:no-such-key")


def _part(place: Place, name: str) -> str:
    return name.removeprefix(f"{place.keys.tag}:")
