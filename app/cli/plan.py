"""`stepstream plan` and `agents`: what a task would do, and who may do it; nothing runs."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from app.cli.claim import running_api
from app.cli.environment import URL_VARIABLE, Url, api, read_settings
from app.cli.exits import Exit
from app.cli.inputs import read_plan, read_task
from app.cli.records import Json, for_programs, say_record, say_records, show_table, table, wide_console
from app.cli.reporting import reported
from app.cli.terminal import cell, counted, end, one_line, say, tell
from app.config import Settings
from app.errors import InvalidRequest, Problem
from app.model.answers import AgentBody
from app.model.plan import OnFailure, Plan, PlannerChoice, PlannerName, Step

PlanUrl = Annotated[
    str | None,
    typer.Option(
        envvar=URL_VARIABLE,
        show_envvar=True,
        help="The API to ask. Unset: the running `up`, else the rules, right here.",
    ),
]
WIDTH_MAX = 110


def plan(
    task: Annotated[str, typer.Argument(help="What is to be done, in plain words.")],
    plan_file: Annotated[Path | None, typer.Option("--plan", help="A JSON file with steps, to be checked.")] = None,
    planner: Annotated[
        PlannerChoice | None, typer.Option(help="Who plans; unset: as the server is configured.")
    ] = None,
    url: PlanUrl = None,
    as_json: Json = None,
) -> None:
    """Show the steps that a task would have and why; nothing runs. As JSON it is a file for `run --plan`."""
    settings = read_settings()
    with reported():
        words, steps = read_task(task), read_plan(plan_file)
    if url or running_api(settings.data_dir):
        with api(url) as client:
            found = client.preview(words, plan=steps, planner=planner)
    elif planner == "llm":
        end("no API runs here, and only an API asks a language model: begin `stepstream up`", Exit.UNREACHABLE)
    else:
        tell("no API runs here; planned by the rules alone")
        found = _planned(settings, words, steps)
    if for_programs(as_json):
        say_record(found, as_json)
    else:
        _print(found)


def agents(url: Url = None, as_json: Json = None) -> None:
    """Show the agents that plans may name. As JSON with the schemas of what they accept and leave."""
    with api(url) as client:
        found = client.agents()
    if for_programs(as_json):
        say_records(found, as_json)
    else:
        _print_agents(found)


def _planned(settings: Settings, task: str, steps: object | None) -> Plan:
    """What an API with these settings would answer; ends the command for what it would refuse."""
    # Only here: most commands need no agent.
    from app.bootstrap.bounds import submission_limits
    from app.bootstrap.startup import AgentModuleMissing, load_agents
    from app.dispatch.submission import Submission, problems_of
    from app.planning.rules import RulePlanner
    from app.planning.validator import validate_plan

    limits = submission_limits(settings)
    if problems := problems_of(Submission(task), limits, frozenset()):
        _refuse(problems)
    try:
        by: PlannerName = "rules" if steps is None else "client"
        raw = RulePlanner().plan(task) if steps is None else steps
        return validate_plan(raw, registry=load_agents(settings), limits=limits.plan, planner=by)
    except InvalidRequest as error:
        _refuse(error.problems)
    except AgentModuleMissing as error:
        end(str(error), Exit.USAGE)


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    end("\n".join(f"{problem.pointer}: {problem.detail}" for problem in problems), Exit.USAGE)


def _print(found: Plan) -> None:
    say(f"plan by {found.planner}: {counted(len(found.steps), 'step')}, nothing has run\n")
    width = min(WIDTH_MAX, wide_console().width)
    for number, steps in enumerate(_stages(found)):
        say(f"{'then' if number else 'first'}{', side by side' if len(steps) > 1 else ''}:")
        for step in steps:
            for line in _lines(step, width):
                say(line)
        say("")


def _stages(found: Plan) -> Iterator[list[Step]]:
    """The steps that can run at one time, stage by stage."""
    stages: dict[int, int] = {}
    left = list(found.steps)
    while left:
        ready = [step for step in left if all(parent in stages for parent in step.depends_on)]
        stages |= {step.step_id: 1 for step in ready}
        left = [step for step in left if step.step_id not in stages]
        yield ready


def _lines(step: Step, width: int) -> Iterator[str]:
    head = f"  {step.step_id:>3}  {step.agent:<10}"
    inside = " " * (len(head) + 1)
    after = f"  (after {', '.join(map(str, step.depends_on))})" if step.depends_on else ""
    yield f"{head} {one_line(_text(step.payload), width - len(head) - len(after))}{after}"
    if step.reason:
        yield from textwrap.wrap(
            one_line(step.reason, 300), width, initial_indent=inside, subsequent_indent=inside, break_long_words=False
        )
    if step.on_failure is not OnFailure.FAIL and not step.reason:
        yield f"{inside}if it fails: {step.on_failure}"


def _text(payload: str | dict[str, Any]) -> str:
    return payload if isinstance(payload, str) else str(payload.get("text", ""))


def _print_agents(found: list[AgentBody]) -> None:
    rows = table("agent", "queue", "runs in", "time", "attempts", "batch", "what it does")
    rows.columns[-1].no_wrap = False  # what is long goes on below; names stay whole
    for agent in found:
        rows.add_row(
            cell(agent.name),
            cell(agent.queue),
            cell("the loop" if agent.asynchronous else "a thread"),
            cell(f"{agent.timeout_ms / 1000:g} s"),
            cell(agent.max_attempts),
            cell(agent.batch_size_max),
            cell(agent.description),
        )
    show_table(rows)
