"""
Reading what this program has kept, whichever version of it was the writer.

While one version replaces another both run side by side and read what the other one keeps. So whoever reads leaves
unread what it does not know; only what comes from outside is refused for it. See `docs/operations.md`.
"""

from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


def from_json(model: type[Model], text: str | bytes) -> Model:
    """The object in this text, without the members that this version has no names for; raises `ValidationError`."""
    return model.model_validate_json(text, extra="ignore")


def from_members(model: type[Model], members: dict[str, Any]) -> Model:
    """The same of members that have been read already."""
    return model.model_validate(members, extra="ignore")
