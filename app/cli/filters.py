"""Options that narrow a list of tasks."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.model.task import ListStatus

StatusOption = Annotated[
    ListStatus | None, typer.Option(help="Only tasks in this state; open: have not ended, ended: have.")
]
LabelOption = Annotated[list[str] | None, typer.Option(help="Only tasks with this label, name:value; repeatable.")]
SearchOption = Annotated[str | None, typer.Option(help="Words that are all in the task's text.")]
SinceOption = Annotated[datetime | None, typer.Option(help="Only tasks of this time (local) or later.")]


def instant(since: datetime | None) -> datetime | None:
    """The moment at which clocks here show that; none do at the ends of the calendar."""
    if since is None:
        return None
    try:
        return since.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise typer.BadParameter("is no time that can be told", param_hint="--since") from error


def labels_of(texts: list[str] | None) -> dict[str, str]:
    """The labels that were given as name:value."""
    labels = dict(_label(text) for text in texts or ())
    if len(labels) != len(texts or ()):
        raise typer.BadParameter("a task has one value of a label: name each label once", param_hint="--label")
    return labels


def _label(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not name:
        raise typer.BadParameter("write a label as name:value", param_hint="--label")
    return name, value
