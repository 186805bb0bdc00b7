"""
The agents a process knows: what each accepts, how it may fail, where its work is queued.

Importing an agent's module registers its `AgentSpec` here and does no I/O; the API and the workers
import the same modules (`Settings.agent_modules`) and so see the same registry.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.model.output import MARKDOWN

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class StepInput(BaseModel):
    """Base of every agent's input model; a plan's string payload becomes `text`."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, description="What this step is asked to do.")


class StepOutput(BaseModel):
    """
    What a step leaves behind.

    `summary` is one line for the event log, `data` what dependents work with, `text` a document for
    people when the step made one, of type `media_type`. Where that is not Markdown, `markdown` may say the same
    to those who read Markdown. `steps` adds work below this step: entries like those of a plan with ids of their own,
    checked like a plan; what depends on this step then waits for them as well. Steps that do not fit fail this one,
    unless it can do without (`steps_optional`): then they are left out, as they are where nothing waits for this one.
    """

    model_config = ConfigDict(extra="forbid")

    summary: str = Field(default="", max_length=1000)
    data: JsonValue = None
    text: str | None = None
    media_type: str = MARKDOWN
    markdown: str | None = None
    steps: list[dict[str, JsonValue]] = Field(default_factory=list, exclude=True)
    steps_optional: bool = Field(default=False, exclude=True)


# (step input, StepContext) -> StepOutput; the context's type lives above this level.
AgentFunction = Callable[[Any, Any], Awaitable[StepOutput] | StepOutput]


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """
    One agent: its function, its input model and its limits.

    `output_model`, where an agent has one, is what the `data` of its outputs must fit, for those who read it.
    `provider` names what its work is limited by elsewhere; agents of one provider pause together when it
    asks for patience. `gathers` marks work that may be cut short when a task is told to finish.
    """

    name: str
    run: AgentFunction
    input_model: type[StepInput] = StepInput
    description: str = ""
    queue: str = ""
    timeout_ms: int = 60_000
    max_attempts: int = 4
    backoff_ms: int = 500
    backoff_ms_max: int = 60_000
    batch_size_max: int = 8
    deferrals_max: int = 100
    provider: str = ""
    gathers: bool = False
    output_model: type[BaseModel] | None = None

    @property
    def asynchronous(self) -> bool:
        """Whether it runs on the worker's loop; a plain function gets a thread."""
        return any(map(inspect.iscoroutinefunction, (self.run, type(self.run).__call__)))

    @property
    def module(self) -> str:
        """Where its code is."""
        return str(getattr(self.run, "__module__", None) or type(self.run).__module__)

    def __post_init__(self) -> None:
        for name in ("queue", "provider"):
            if not getattr(self, name):
                object.__setattr__(self, name, self.name)
        for word in (self.name, self.queue, self.provider):
            if not NAME_PATTERN.fullmatch(word):
                raise ValueError(f"{word!r} is not a valid agent, queue or provider name ({NAME_PATTERN.pattern})")
        if min(self.timeout_ms, self.max_attempts, self.backoff_ms, self.backoff_ms_max, self.batch_size_max) < 1:
            raise ValueError(f"every limit of agent {self.name!r} must be at least 1")
        if self.backoff_ms > self.backoff_ms_max:
            raise ValueError(f"backoff_ms of agent {self.name!r} is above its backoff_ms_max")


@dataclass(slots=True)
class AgentRegistry:
    """Agents by name; registering a name twice is an error that names both."""

    _specs: dict[str, AgentSpec] = field(default_factory=dict)

    def register(self, spec: AgentSpec) -> None:
        known = self._specs.get(spec.name)
        if known is not None and known != spec:
            raise ValueError(
                f"agent {spec.name!r} is registered by both "
                f"{known.module} and {spec.module}; give one of them another name"
            )
        self._specs[spec.name] = spec

    def get(self, name: str) -> AgentSpec | None:
        return self._specs.get(name)

    def __getitem__(self, name: str) -> AgentSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[AgentSpec]:
        return iter(self._specs.values())

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def names(self) -> list[str]:
        return sorted(self._specs)


registry = AgentRegistry()
