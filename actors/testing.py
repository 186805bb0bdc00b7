"""
Runs an agent as a worker would, without a worker and without Redis: for the tests of agents.

    from actors.testing import run_agent

    def test_it_shouts() -> None:
        run = run_agent("shout", "hello")

        assert run.output.text == "HELLO"
        assert run.progress[0].message == "shouting"

The payload is read into the agent's input model and what it returns is judged as in a worker, so a test sees the same
`Permanent` that a task would fail with; what the agent raises itself comes out as it is. Time limits, attempts and
delays are the worker's business and do not happen here.
"""

import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import anyio
from anyio import to_thread

from app.config.tasks import TaskSettings
from app.dispatch import growth
from app.dispatch.context import StepContext
from app.dispatch.contract import only_reports, read_input, read_output
from app.dispatch.memos import Memos
from app.llm.scripted import ScriptedLlm
from app.model.agents import AgentFunction, AgentRegistry, AgentSpec, StepOutput, registry
from app.model.events import CitationsVerified, EventData, OutputDelta, Passage, SourceFound, StepProgress
from app.model.llm import Llm
from app.model.plan import Payload
from app.model.task import Document, TaskInputs

__all__ = ["AgentRun", "Memos", "ScriptedLlm", "Setting", "run_agent", "run_agent_async"]

E = TypeVar("E", bound=EventData)


class Setting(TypedDict, total=False):
    """
    What the step finds; all of it may be left out.

    `inputs` are the outputs of its dependencies by step id, as `StepOutput` or just their `data`; `missing` are
    dependencies that left none. `memos` handed to two runs makes the second one the same step run again.
    """

    task: str
    inputs: Mapping[int, Any]
    missing: Sequence[int]
    documents: Sequence[Document]
    task_inputs: TaskInputs
    collections: Mapping[str, Path]
    cache_dir: Path
    memos: Memos
    attempt: int
    cancelled: Callable[[], bool]
    #: `ScriptedLlm` says what a test wants it to.
    llm: Llm


@dataclass(frozen=True, slots=True)
class AgentRun:
    """What an agent returned, and what it reported on the way, in order."""

    output: StepOutput
    events: list[EventData] = field(default_factory=list)

    @property
    def progress(self) -> list[StepProgress]:
        return self._of(StepProgress)

    @property
    def sources(self) -> list[Passage]:
        return [event.passage for event in self._of(SourceFound)]

    @property
    def streamed(self) -> str:
        """The text that the agent streamed by `delta`."""
        return "".join(event.text for event in self._of(OutputDelta))

    @property
    def citations(self) -> list[CitationsVerified]:
        return self._of(CitationsVerified)

    def _of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


def run_agent(agent: str | AgentFunction, payload: Payload, **setting: Unpack[Setting]) -> AgentRun:
    """Runs an agent, by its name or its function, on a payload: an object, or a string that stands for `text`."""
    return anyio.run(partial(run_agent_async, agent, payload, **setting))


async def run_agent_async(agent: str | AgentFunction, payload: Payload, **setting: Unpack[Setting]) -> AgentRun:
    """The same for tests that have an event loop."""
    spec, events = _spec(agent), list[EventData]()
    step, context = read_input(spec, payload), _context(spec, events, setting)
    call = partial(spec.run, step, context)
    returned: object = call() if spec.asynchronous else await to_thread.run_sync(call)
    if isinstance(returned, Awaitable):
        returned = await returned
    output = read_output(spec, returned, _default("result_bytes_max")).output
    if output.steps:
        limits = growth.GrowthLimits(*map(_default, ("steps_added_max", "plan_steps_max", "payload_bytes_max")))
        growth.check(output.steps, registry, limits)
    return AgentRun(output, events)


def _spec(agent: str | AgentFunction) -> AgentSpec:
    found = registry.get(agent) if isinstance(agent, str) else _by_function(registry, agent)
    if found is None:
        known = ", ".join(registry.names) or "none"
        raise LookupError(f"There is no agent {agent!r}; those that are imported: {known}.")
    return found


def _by_function(agents: AgentRegistry, run: AgentFunction) -> AgentSpec | None:
    return next((spec for spec in agents if spec.run is run), None)


def _context(spec: AgentSpec, events: list[EventData], setting: Setting) -> StepContext:
    async def emit(event: EventData) -> None:
        events.append(event)

    async def documents() -> list[Document]:
        return list(setting.get("documents", ()))

    inputs = {step_id: _output(value) for step_id, value in setting.get("inputs", {}).items()}
    own = max([0, *inputs, *setting.get("missing", ())]) + 1
    return StepContext(
        task_id="0-test",
        task=setting.get("task", ""),
        step_id=own,
        agent=spec.name,
        attempt=setting.get("attempt", 1),
        run=0,
        inputs=inputs,
        emit=only_reports(emit),
        memos=setting.get("memos") or Memos.in_memory(),
        cancelled=setting.get("cancelled", lambda: False),
        depends_on=tuple(sorted({*inputs, *setting.get("missing", ())})),
        task_inputs=setting.get("task_inputs") or TaskInputs(),
        documents=documents,
        collections=dict(setting.get("collections", {})),
        cache_dir=setting.get("cache_dir") or Path(tempfile.gettempdir()) / "stepstream-agent-tests",
        llm=setting.get("llm"),
    )


def _output(value: Any) -> StepOutput:
    return value if isinstance(value, StepOutput) else StepOutput(data=value)


def _default(name: str) -> int:
    """What the setting is where nobody has set it."""
    value: int = TaskSettings.model_fields[name].default
    return value
