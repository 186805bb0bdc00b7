"""
The task hash: every field, and what a submission writes into it.

| field         | holds                                                                      |
|---------------|----------------------------------------------------------------------------|
| status        | queued, running, completed, failed                                         |
| task, tenant, priority, labels, inputs, planner, trace | what the client sent                     |
| created, started, finished | server ms                                                     |
| seq           | number of the last event                                                   |
| steps, left   | number of steps; of those not completed yet                                |
| retries, tokens, usd | totals for the terminal event                                       |
| docs          | key of the documents that came with it                                     |
| keep          | ms the task is kept once it is terminal                                    |
| ids           | step ids in plan order, space-separated                                    |
| error         | why the task failed, JSON                                                  |
| agent:<name>  | the agent's queue, keys, batch size and message template, one per line     |
| ag:<id> in:<id> de:<id> ch:<id> | a step's agent, JSON, dependencies, dependents           |
| to:<id>       | its timeout, ms                                                            |
| st:<id> op:<id> | its state; dependencies not completed yet                                |
| dn:<id> dv:<id> | dispatch number; starts under that number                                |
| at:<id> fl:<id> cr:<id> | starts, failures, crashes                                        |
| tk:<id> wk:<id> | fence and worker of the last attempt                                     |
| qa:<id> sa:<id> la:<id> dl:<id> | queued, started, last sign, deadline of the attempt, ms  |
| ps:<id>       | number of the last progress report                                         |
| du:<id>       | member of the delay queue while a retry is scheduled                       |
| er:<id>       | last error, JSON                                                           |
"""

from app.broker.keys import QueueKeys
from app.broker.message import message_template
from app.dispatch.attempt import json_text
from app.keys import Keys
from app.model.agents import AgentRegistry, AgentSpec
from app.model.task import NewTask

#: Added to the longest step timeout of an agent: starting, storing and a slow Redis need time as well.
RUN_MARGIN_MS = 60_000


def record(task: NewTask, registry: AgentRegistry, keys: Keys, retention_ms: int) -> list[str | int]:
    """The hash of a new task as a flat list of fields and values."""
    children = task.plan.dependents()
    fields: dict[str, str | int] = {
        "task": task.task,
        "tenant": task.tenant,
        "priority": task.priority,
        "labels": json_text(task.labels),
        "inputs": task.inputs.model_dump_json(),
        "planner": task.plan.planner,
        "steps": len(task.plan.steps),
        "left": len(task.plan.steps),
        "keep": retention_ms,
        "ids": " ".join(str(step.step_id) for step in task.plan.steps),
    }
    if task.traceparent:
        fields["trace"] = task.traceparent
    for step in task.plan.steps:
        i = step.step_id
        fields[f"ag:{i}"] = step.agent
        fields[f"in:{i}"] = step.model_dump_json(exclude_none=True)
        fields[f"de:{i}"] = ",".join(map(str, step.depends_on))
        fields[f"ch:{i}"] = " ".join(map(str, children[i]))
        fields[f"to:{i}"] = step.timeout_ms or registry[step.agent].timeout_ms
        fields[f"st:{i}"] = "waiting"
        fields[f"op:{i}"] = len(step.depends_on)
    for name in {step.agent for step in task.plan.steps}:
        fields[f"agent:{name}"] = _agent_line(task, registry[name], keys)
    return [item for pair in fields.items() for item in pair]


def _agent_line(task: NewTask, spec: AgentSpec, keys: Keys) -> str:
    """What the scripts need to send work to one agent, in the order `agent_of` in lib.lua reads it."""
    queue = QueueKeys(keys.tag, spec.queue)
    level = queue.level(task.priority)
    timeouts = [step.timeout_ms or spec.timeout_ms for step in task.plan.steps if step.agent == spec.name]
    # Crashes of steps are counted by start.lua, per step and not per message.
    options: dict[str, object] = {"run_ms_max": max(timeouts) + RUN_MARGIN_MS, "count_crashes": False}
    if task.traceparent:
        options["traceparent"] = task.traceparent
    template = message_template(spec.queue, spec.name, args_prefix=(task.task_id,), options=options)
    return "\n".join(
        [
            spec.queue, str(spec.batch_size_max), queue.stream(level), queue.due, queue.due_bodies, str(int(level)),
            queue.dlq, queue.dlq_bodies, queue.dlq_meta, queue.wake, template,
        ]
    )  # fmt: skip
