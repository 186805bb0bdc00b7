"""
The task hash: every field, and what a submission writes into it.

| field         | holds                                                                      |
|---------------|----------------------------------------------------------------------------|
| status        | see `TaskStatus`                                                           |
| task, tenant, priority, labels, inputs, planner, trace, parent | what the client sent      |
| output        | in which form its document is wanted, where that is not Markdown           |
| level         | level of its queues' streams, from the priority: 0, 1 or 2                 |
| created, started, finished, deadline | server ms                                           |
| seq           | number of the last event                                                   |
| steps, left   | number of steps; of those not settled yet                                  |
| sinks         | completed steps that nothing waits for                                     |
| partial       | set when a step failed or was left out and the task goes on                |
| next, rev     | next free step id; revision of the plan                                    |
| grown         | `<step>:<first>-<last>` per step that has added others: each does so once  |
| retries, tokens, nano_usd | totals for the terminal event; cost in billionths of a dollar  |
| gate, gate_key | `<group>|<limit>` of a task with a concurrency limit; the label it goes by |
| cancel_mode, cancel_reason, cancel_at | a cancellation under way                           |
| again, agains | nonce and number of retries of the whole task                              |
| truncated     | set when progress events are dropped                                       |
| docs          | key of the documents that came with it                                     |
| index         | its lists, one per line: tenant first, then one per label                  |
| keep          | ms the task is kept once it is terminal                                    |
| ids           | step ids in plan order, space-separated                                    |
| error, failed_step | the failure that ended the task, else the first final one; its step     |
| s:<id>        | state of a step: the members of `STEP_STATE`, joined by bars               |
| p:<id>        | its place in the plan: the members of `STEP_PLACE`, joined by bars         |
| in:<id>       | the step as the agent's worker reads it, JSON                              |
| er:<id>       | failed attempts, one JSON object per line                                  |
| r:<id>        | its result, JSON                                                           |
| m:<id>:<name> | what a side effect of it returned, JSON                                    |

Names and worker ids hold no bar, so a line needs no escaping.
"""

import hashlib
from collections.abc import Collection
from functools import cache
from typing import Any

from app.broker.keys import QueueKeys
from app.dispatch.attempt import json_text
from app.keys import Keys
from app.model.agents import AgentRegistry
from app.model.output import TaskOutput
from app.model.plan import Plan, Step
from app.model.task import NewTask

#: The members of `s:<id>`, in order; `_task.lua` has the same list.
STEP_STATE = (
    "state", "dispatch", "delivery", "attempt", "failures", "crashes", "deferrals", "run", "open", "nonce", "worker",
    "queued", "started", "seen", "reports", "entry",
)  # fmt: skip
#: The members of `p:<id>`, in order.
STEP_PLACE = ("agent", "queue", "batch_max", "timeout", "on_failure", "gathers", "provider", "deps", "children")


def parse_line(names: tuple[str, ...], line: str) -> dict[str, str]:
    """The members of a step's line by name; what a later version has put behind them is left unread."""
    return dict(zip(names, line.split("|")[: len(names)], strict=True))


@cache
def state_line(state: str, open_dependencies: int) -> str:
    """`s:<id>` of a step that has never run; the few that there are recur in all plans."""
    values = dict.fromkeys(STEP_STATE, "0") | {
        "state": state,
        "nonce": "",
        "worker": "",
        "entry": "",
        "open": str(open_dependencies),
    }
    return "|".join(values[name] for name in STEP_STATE)


def place_line(step: Step, children: Collection[int], registry: AgentRegistry) -> str:
    """`p:<id>` of a step."""
    spec = registry[step.agent]
    timeout_ms = step.timeout_ms or spec.timeout_ms
    return "|".join(
        [
            step.agent, spec.queue, str(spec.batch_size_max), str(timeout_ms), step.on_failure.value,
            "1" if spec.gathers else "0", spec.provider, _joined(step.depends_on), _joined(children),
        ]
    )  # fmt: skip


def _joined(ids: Collection[int]) -> str:
    return ",".join(map(str, ids)) if ids else ""


def step_json(step: Step) -> str:
    """`in:<id>` of a step; what it waits for stands in its place, because it may grow."""
    members = step_members(step)
    del members["depends_on"]
    return json_text(members)


def step_members(step: Step) -> dict[str, Any]:
    """What is set of a step. Its own encoder writes the same, and takes five times as long."""
    return {name: value for name, value in vars(step).items() if value is not None}


def record(
    task: NewTask,
    registry: AgentRegistry,
    keys: Keys,
    retention_ms: int,
    reused: Collection[int] = (),
    grown: Collection[str] = (),
) -> list[str | int]:
    """
    The hash of a new task as a flat list of fields and values.

    `reused` steps come with their results, `grown` ones with the steps they have added.
    """
    plan, ids = task.plan, [step.step_id for step in task.plan.steps]
    fields: list[str | int] = [
        "task", task.task,
        "tenant", task.tenant,
        "priority", task.priority,
        "level", int(QueueKeys.level(task.priority)),
        "labels", json_text(task.labels),
        "inputs", task.inputs.model_dump_json(),
        "planner", plan.planner,
        "steps", len(ids),
        "left", len(ids) - len(reused),
        "sinks", len(set(plan.sinks()) & set(reused)) if reused else 0,
        "next", max(ids) + 1,
        "keep", retention_ms,
        "index", "\n".join(indexes(task)),
        "ids", " ".join(map(str, ids)),
    ]  # fmt: skip
    if grown:
        fields += ["grown", f" {' '.join(grown)} "]
    if task.output != TaskOutput():
        fields += ["output", task.output.model_dump_json()]
    if task.traceparent:
        fields += ["trace", task.traceparent]
    if task.inputs.documents_sha256:
        fields += ["docs", keys.documents(task.inputs.documents_sha256)]
    if task.parent_task_id:
        fields += ["parent", task.parent_task_id]
    if task.concurrency:
        fields += ["gate", f"{gate_group(task)}|{task.concurrency.limit}", "gate_key", task.concurrency.key]
    return fields + _step_fields(plan, registry, set(reused))


def _step_fields(plan: Plan, registry: AgentRegistry, reused: set[int]) -> list[str | int]:
    fields: list[str | int] = []
    children = plan.dependents()
    for step in plan.steps:
        i, depends_on = step.step_id, step.depends_on
        state = "completed" if i in reused else "waiting"
        fields += [
            f"s:{i}", state_line(state, len(set(depends_on) - reused)),
            f"p:{i}", place_line(step, children[i], registry),
            f"in:{i}", step_json(step),
        ]  # fmt: skip
    return fields


def indexes(task: NewTask) -> list[str]:
    """The lists a task stands in: its tenant's, and one per label."""
    return [task.tenant, *(f"{task.tenant}:l:{name}={value}" for name, value in sorted(task.labels.items()))]


def gate_group(task: NewTask) -> str:
    """Which tasks share a concurrency limit: those of one tenant with the same value of one label."""
    assert task.concurrency is not None  # noqa: S101  # asked for tasks with a limit only
    key = task.concurrency.key
    parts = json_text([task.tenant, key, task.labels[key]])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]
