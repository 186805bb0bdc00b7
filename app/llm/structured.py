"""Answers that have to be JSON of a form: the schema that is sent, and how an answer is read and mended."""

from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from app.model.llm import M, Message, Reply

FINDINGS_MAX = 10
FINDING_CHARS_MAX = 300
QUOTE_CHARS_MAX = 4_000
#: What ends a string or a list, so that it cannot go on until the tokens are used up.
BOUNDS = {"string": ("maxLength", "enum", "const", "format"), "array": ("maxItems",)}


class Unfit(Exception):
    """An answer that does not do; its text tells the model what is wrong."""


def bounded_schema(model: type[BaseModel]) -> dict[str, Any]:
    """
    The model's JSON schema.

    Raises `ValueError` for a string or a list without a bound: a small model is held to the schema letter by letter,
    and goes on in such a field until its tokens are used up.
    """
    schema = model.model_json_schema()
    if endless := _endless(schema):
        raise ValueError(f"{model.__name__} has fields without a bound: {', '.join(endless)}")
    return schema


def read(reply: Reply, model: type[M]) -> M:
    """The answer as an instance of the model; raises `Unfit`."""
    if reply.finish == "length":
        raise Unfit("It was cut off because it is too long. Be brief.")
    found = _object_in(reply.text)
    try:
        return model.model_validate(found)
    except ValidationError as error:
        findings = error.errors(include_url=False, include_input=False, include_context=False)
        said = [f"{'.'.join(map(str, finding['loc'])) or 'the whole'}: {finding['msg']}" for finding in findings]
        raise Unfit("; ".join(line[:FINDING_CHARS_MAX] for line in said[:FINDINGS_MAX])) from error


def repair(reply: Reply, error: Unfit) -> list[Message]:
    """The turns that ask for a better answer."""
    return [
        Message(role="assistant", content=reply.text[:QUOTE_CHARS_MAX] or "(nothing)"),
        Message(role="user", content=f"That answer cannot be used. {error} Answer again, with the JSON object alone."),
    ]


def _object_in(text: str) -> object:
    """The first JSON object in a text that may have words or a fence of Markdown around it."""
    start, end = text.find("{"), text.rfind("}")
    try:
        return orjson.loads(text[start : end + 1]) if 0 <= start < end else orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unfit(f"It is no JSON object: {error}.") from error


def _endless(schema: object, path: str = "") -> list[str]:
    """Where the schema lets a string or a list go on without end."""
    if isinstance(schema, list):
        return [found for entry in schema for found in _endless(entry, path)]
    if not isinstance(schema, dict):
        return []
    bounds = BOUNDS.get(str(schema.get("type")), ())
    here = [path or "the whole"] if bounds and not any(bound in schema for bound in bounds) else []
    for name, inner in schema.items():
        if name in ("properties", "$defs"):
            here += [found for key, value in inner.items() for found in _endless(value, f"{path}/{key}")]
        elif name in ("items", "anyOf", "allOf", "oneOf", "prefixItems", "additionalProperties"):
            here += _endless(inner, path)
    return here
