"""Text in requests: nothing that nobody can see or mean gets in."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue

FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x1f\x7f]")


def no_control_characters(text: str) -> str:
    if found := FORBIDDEN.search(text):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X} at position {found.start()}")
    return text


def one_line(text: str) -> str:
    if found := FORBIDDEN_IN_NAME.search(text):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X} at position {found.start()}")
    return text


def printable(value: JsonValue) -> JsonValue:
    """Every text inside a plan reaches an agent, so the same holds for it."""
    if isinstance(value, str):
        no_control_characters(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            no_control_characters(name)
            printable(member)
    elif isinstance(value, list):
        for member in value:
            printable(member)
    return value


def no_colon(name: str) -> str:
    """Lists are filtered by `name:value`."""
    if ":" in name:
        raise ValueError("holds a colon")
    return name


def _told(pattern: str) -> Any:
    """What the validator behind it holds, in the words of JSON Schema."""
    return Field(json_schema_extra={"pattern": pattern})


# A limit on the length comes before these: behind a validator pydantic speaks of items instead of characters.
PRINTABLE = (AfterValidator(no_control_characters), _told(r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"))
IN_ONE_LINE = (AfterValidator(one_line), _told(r"^[^\x00-\x1f\x7f]*$"))
Text = Annotated[str, *PRINTABLE]
Line = Annotated[str, *IN_ONE_LINE]
LabelName = Annotated[
    str,
    Field(min_length=1, max_length=64),
    AfterValidator(one_line),
    AfterValidator(no_colon),
    _told(r"^[^\x00-\x1f\x7f:]*$"),
]
LabelText = Annotated[str, Field(max_length=200), *IN_ONE_LINE]
PlanJson = Annotated[JsonValue, AfterValidator(printable)]
