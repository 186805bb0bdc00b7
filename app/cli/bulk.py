"""`stepstream tasks bulk`: one action for all tasks that match."""

from collections import Counter
from typing import Annotated

import typer

from app.cli.environment import Url, api
from app.cli.exits import Exit
from app.cli.filters import LabelOption, SearchOption, SinceOption, StatusOption, instant, labels_of
from app.cli.records import Json, for_programs, say_record
from app.cli.terminal import counted, end, one_line, say, tell
from app.model.answers import TaskCounts
from app.model.bulk import STATES, BulkAction, BulkOutcome
from app.model.task import ListStatus

DONE = {BulkAction.RETRY: "retried", BulkAction.CANCEL: "cancelled", BulkAction.DELETE: "deleted"}
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without: say how many tasks it would be.")]


def bulk(  # noqa: PLR0913, PLR0917  # the options of a command
    action: Annotated[BulkAction, typer.Argument(help="retry failed, cancel open, or delete ended tasks.")],
    status: StatusOption = None,
    label: LabelOption = None,
    search: SearchOption = None,
    since: SinceOption = None,
    reason: Annotated[str | None, typer.Option(help="A sentence for the event logs of cancelled tasks.")] = None,
    yes: Yes = False,
    url: Url = None,
    as_json: Json = None,
) -> None:
    """Retry, cancel or delete all tasks that match, the newest first; may be begun anew if it is broken off."""
    labels, after = labels_of(label), instant(since)
    meant, done = status or STATES[action][0], DONE[action]
    with api(url) as client:
        if not yes:
            counts = client.counts(labels=labels, words=search, created_after=after)
            end(f"{action} {_how_many(counts, meant)}: say --yes to do it", Exit.USAGE)
        outcomes = client.bulk(action, status=status, labels=labels, words=search, created_after=after, reason=reason)
        tally = Counter(_told(outcome, done, as_json) for outcome in outcomes)
    tell(f"{counted(tally[True], 'task')} {done}" + (f", {tally[False]} refused" if tally[False] else ""))
    if tally[False] or not tally[True]:
        raise typer.Exit(Exit.FAILED)


def _told(outcome: BulkOutcome, done: str, as_json: bool | None) -> bool:
    """Says what came of it; whether it was done."""
    if for_programs(as_json):
        say_record(outcome, as_json)
    else:
        say(f"{outcome.task_id}  {one_line(outcome.refused or done)}")
    return outcome.refused is None


def _how_many(counts: TaskCounts, status: ListStatus) -> str:
    ended = counts.total - counts.open
    number = ended if status is ListStatus.ENDED else getattr(counts, status)
    return f"{'' if counts.complete else 'more than '}{counted(number, 'task')} ({status})"
