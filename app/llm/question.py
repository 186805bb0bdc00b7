"""One call to a model, and how far the server at hand understands it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from app.model.llm import Message

SCHEMA_RULE = "Answer with one JSON object and nothing else. It has to fit this JSON schema:\n"
SchemaForm = Literal["json_schema", "json_object", "prompt"]
#: What to try next where a form of `response_format` is refused.
NEXT_FORM: dict[SchemaForm, SchemaForm] = {"json_schema": "json_object", "json_object": "prompt"}
#: Refusals that can teach something: one per parameter, and two for the schema.
LESSONS_MAX = 5
REFUSALS = frozenset({400, 404, 415, 422, 500, 501})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; with a `schema` the answer has to be JSON that fits it."""

    messages: tuple[Message, ...]
    tokens_max: int
    temperature: float = 0.0
    schema: dict[str, Any] | None = None

    def sha256(self, model: str) -> str:
        """The same question to the same model has the same hash."""
        said = [[message.role, message.content] for message in self.messages]
        parts = [model, said, self.tokens_max, self.temperature, self.schema]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(slots=True)
class Dialect:
    """
    What the server was found to understand; servers differ in what they take of the same API.

    A refusal that names a parameter teaches it: the question is asked again without, and so are all that follow.
    """

    tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    usage: bool = True
    schema: SchemaForm = "json_schema"

    def request(self, question: Question, model: str) -> dict[str, Any]:
        """The parameters of the call."""
        schema, form = question.schema, self.schema
        said = question.messages if schema is None or form == "json_schema" else _with_schema(question.messages, schema)
        asked: dict[str, Any] = {
            "model": model,
            "messages": [{"role": message.role, "content": message.content} for message in said],
            self.tokens: question.tokens_max,
            "stream": True,
        }
        if self.temperature:
            asked["temperature"] = question.temperature
        if self.usage:
            asked["stream_options"] = {"include_usage": True}
        if schema is not None and form == "json_schema":
            named = {"name": "answer", "schema": schema}
            asked["response_format"] = {"type": "json_schema", "json_schema": named}
        elif schema is not None and form == "json_object":
            asked["response_format"] = {"type": "json_object"}
        return asked

    def learn(self, asked: dict[str, Any], status: int, said: str) -> bool:
        """Whether the refusal of what was `asked` names a parameter that can be left out or put otherwise."""
        said = said.lower()
        if status not in REFUSALS:
            return False
        if "stream_options" in asked and ("stream_options" in said or "include_usage" in said):
            self.usage = False
        elif "max_tokens" in asked and "max_completion_tokens" in said:
            self.tokens = "max_completion_tokens"
        elif "temperature" in asked and "temperature" in said:
            self.temperature = False
        elif "response_format" in asked and any(word in said for word in ("response_format", "json", "grammar")):
            form: SchemaForm = asked["response_format"]["type"]
            self.schema = NEXT_FORM[form]
        else:
            return False
        return True


def _with_schema(messages: Sequence[Message], schema: dict[str, Any]) -> list[Message]:
    rule = SCHEMA_RULE + orjson.dumps(schema).decode()
    first, *others = messages
    if first.role == "system":
        return [Message(role="system", content=f"{first.content}\n\n{rule}"), *others]
    return [Message(role="system", content=rule), first, *others]
