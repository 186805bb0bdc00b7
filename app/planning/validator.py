"""
From anything JSON can hold to a `Plan`, or to the list of all that is wrong with it.

Every plan passes here, whoever wrote it. A problem points at its place (RFC 6901) in the request body.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson
from pydantic import ValidationError

from app.errors import InvalidRequest, Problem
from app.model.agents import AgentRegistry
from app.model.plan import STEP_ID_MAX, Plan, PlannerName, Step
from app.planning import graph

PROBLEMS_MAX = 100
#: Parsers of JSON give up somewhere below 200, and a plan stands in other objects.
PAYLOAD_DEPTH_MAX = 100
QUOTE_CHARS_MAX = 80

SENTENCES = {"missing": "is required", "extra_forbidden": "is not a known field"}


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """How large a plan may be: its steps, and each payload as encoded JSON."""

    steps_max: int
    payload_bytes_max: int


def validate_plan(
    raw: object, *, registry: AgentRegistry, limits: PlanLimits, planner: PlannerName, pointer: str = "/plan"
) -> Plan:
    """
    The plan that `raw` describes.

    Raises `InvalidRequest` with every problem, up to `PROBLEMS_MAX`, in the order of the steps.
    """
    if problem := _list_problem(raw, limits, pointer):
        raise InvalidRequest([problem])
    assert isinstance(raw, list)  # noqa: S101  # _list_problem has just said so; this is for the type checker
    check = _Check(registry, limits)
    steps = [check.step(entry, f"{pointer}/{index}") for index, entry in enumerate(raw)]
    problems = [*check.problems, *_order_problems(raw, pointer)]
    if problems:
        raise InvalidRequest(sorted(problems, key=lambda p: _position(p.pointer, pointer))[:PROBLEMS_MAX])
    return Plan(planner=planner, steps=_with_order([step for step in steps if step], raw))


def _list_problem(raw: object, limits: PlanLimits, pointer: str) -> Problem | None:
    """A list that is no plan at all is not looked into: the work stays bounded."""
    if not isinstance(raw, list):
        return Problem(pointer, "must be a list of steps")
    if not raw:
        return Problem(pointer, "has no step")
    if len(raw) > limits.steps_max:
        return Problem(pointer, f"has {len(raw)} steps; at most {limits.steps_max} are allowed")
    return None


def _position(pointer: str, base: str) -> int:
    return int(pointer.removeprefix(base + "/").partition("/")[0])


_CONTAINERS = (dict, list)


class _Check:
    """Looks at each step by itself and gathers what is wrong."""

    def __init__(self, registry: AgentRegistry, limits: PlanLimits) -> None:
        self.problems: list[Problem] = []
        self._registry = registry
        self._limits = limits

    def step(self, raw: object, pointer: str) -> Step | None:
        if not isinstance(raw, dict):
            self.problems.append(Problem(pointer, "must be an object"))
            return None
        fields = raw
        if "payload" in raw:
            fields = raw | {"payload": self._payload(raw["payload"], raw.get("agent"), pointer + "/payload")}
        if "agent" in raw:
            self._agent(raw["agent"], pointer + "/agent")
        try:
            return Step.model_validate(fields)
        except ValidationError as error:
            self.problems += _translated(error, raw, pointer)
            return None

    def _agent(self, name: object, pointer: str) -> None:
        if isinstance(name, str) and name not in self._registry:
            known = ", ".join(self._registry.names) or "none"
            self.problems.append(Problem(pointer, f"names no agent: {_quoted(name)}; known agents: {known}"))

    def _payload(self, payload: object, agent: object, pointer: str) -> object:
        """The payload as a worker will decode it; what cannot be encoded is a problem, not an exception."""
        if not isinstance(payload, str | dict):
            self.problems.append(Problem(pointer, "must be a string or an object"))
            return ""
        try:
            encoded = orjson.dumps(payload)
        except TypeError as error:
            self.problems.append(Problem(pointer, f"cannot be encoded as JSON: {_plain(str(error))}"))
            return ""
        if len(encoded) > self._limits.payload_bytes_max:
            limit = self._limits.payload_bytes_max
            self.problems.append(Problem(pointer, f"has {len(encoded)} bytes; at most {limit} are allowed"))
            return ""
        if _is_deeper(payload, PAYLOAD_DEPTH_MAX):
            self.problems.append(Problem(pointer, f"is nested more than {PAYLOAD_DEPTH_MAX} levels deep"))
            return ""
        decoded = orjson.loads(encoded)
        self._input(decoded, agent, pointer)
        return decoded

    def _input(self, payload: str | dict[str, Any], agent: object, pointer: str) -> None:
        spec = self._registry.get(agent) if isinstance(agent, str) else None
        if spec is None:
            return
        try:
            spec.input_model.model_validate({"text": payload} if isinstance(payload, str) else payload)
        except ValidationError as error:
            self.problems += _translated(error, payload, pointer)


def _is_deeper(value: object, levels: int) -> bool:
    """Whether objects and lists lie in each other in more levels than these."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, _CONTAINERS)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True


def _translated(error: ValidationError, value: object, pointer: str) -> Iterator[Problem]:
    """Pydantic's findings; a location that the input does not have, such as a union's branch, is cut off."""
    for finding in error.errors(include_url=False, include_input=False, include_context=False):
        where = pointer + _path(finding["loc"], value, missing=finding["type"] == "missing")
        yield Problem(where, SENTENCES.get(finding["type"], _plain(finding["msg"])))


def _path(location: tuple[int | str, ...], value: object, *, missing: bool) -> str:
    path = ""
    for part in location:
        inside = isinstance(value, Mapping) and part in value
        inside = inside or (isinstance(value, list) and isinstance(part, int) and part < len(value))
        if inside or (missing and isinstance(value, Mapping)):
            path += "/" + _plain(str(part)).replace("~", "~0").replace("/", "~1")
        if not inside:
            break
        value = value[part]  # type: ignore[index]  # `inside` says that this works
    return path


def _order_problems(raw: Sequence[object], pointer: str) -> Iterator[Problem]:
    """Ids and dependencies across steps, read leniently so that one broken step hides nothing in another."""
    if _waits_for_earlier_ones(raw):
        return
    positions: dict[int, int] = {}
    for index, entry in enumerate(raw):
        step_id = entry.get("step_id") if isinstance(entry, dict) else None
        if not graph.is_id(step_id):
            continue
        if step_id in positions:
            yield Problem(
                f"{pointer}/{index}/step_id", f"{step_id} is already the id of {pointer}/{positions[step_id]}"
            )
        positions.setdefault(step_id, index)
    edges = {step_id: _dependencies(raw[index]) for step_id, index in positions.items()}
    for index, entry in enumerate(raw):
        yield from _dependency_problems(entry, positions, f"{pointer}/{index}/depends_on")
    for cycle in graph.cycles(edges):
        path = " -> ".join(map(str, [*cycle, cycle[0]]))
        yield Problem(f"{pointer}/{positions[cycle[0]]}/depends_on", f"closes a cycle: {path}")


def _waits_for_earlier_ones(raw: Sequence[object]) -> bool:
    """Whether ids differ and each step names only steps before it, each once, as in most plans: nothing is wrong."""
    before: set[int] = set()
    for entry in raw:
        step_id = entry.get("step_id") if isinstance(entry, dict) else None
        parents = _dependencies(entry)
        if not graph.is_id(step_id) or step_id in before or not all(map(graph.is_id, parents)):
            return False
        if not before.issuperset(parents) or len(set(parents)) < len(parents):
            return False
        before.add(step_id)
    return True


def _dependencies(entry: object) -> list[object]:
    found = entry.get("depends_on") if isinstance(entry, dict) else None
    return found if isinstance(found, list) else []


def _dependency_problems(entry: object, positions: Mapping[int, int], pointer: str) -> Iterator[Problem]:
    seen: set[object] = set()
    for index, parent in enumerate(_dependencies(entry)):
        if not graph.is_id(parent) or not 1 <= parent <= STEP_ID_MAX:
            continue  # the step's own check has reported it
        if isinstance(entry, dict) and parent == entry.get("step_id"):
            yield Problem(f"{pointer}/{index}", "a step cannot wait for itself")
        elif parent not in positions:
            yield Problem(f"{pointer}/{index}", f"there is no step {parent}")
        if parent in seen:
            yield Problem(f"{pointer}/{index}", f"step {parent} is named twice")
        seen.add(parent)


def _with_order(steps: list[Step], raw: Sequence[object]) -> tuple[Step, ...]:
    """
    Fills in the order of the list where no step says what it waits for.

    Consecutive steps of one agent are siblings; each group waits for all of the group before it.
    """
    if any(isinstance(entry, dict) and "depends_on" in entry for entry in raw):
        return tuple(steps)
    ordered: list[Step] = []
    before: tuple[int, ...] = ()
    for _, group in groupby(steps, key=lambda step: step.agent):
        siblings = [step.model_copy(update={"depends_on": before}) for step in group]
        ordered += siblings
        before = tuple(step.step_id for step in siblings)
    return tuple(ordered)


def _plain(text: str) -> str:
    """Text from outside, short and encodable, for an error message or a pointer."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= QUOTE_CHARS_MAX * 2 else text[: QUOTE_CHARS_MAX * 2] + "…"


def _quoted(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return repr(text if len(text) <= QUOTE_CHARS_MAX else text[:QUOTE_CHARS_MAX] + "…")
