"""
The planner that asks a language model. It may fail in any way a model can, so the rules stand behind it.

The model is told which agents there are and shown one plan; it answers in a form in which every field has a bound. A
draft that is no plan goes back to it once, with what is wrong.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from app.errors import AgentError, Unavailable
from app.llm.fence import DATA_RULE, fenced
from app.llm.memory import Report
from app.model.agents import AgentRegistry
from app.model.events import LlmUsage
from app.model.llm import Llm, Message
from app.model.plan import PlannerName
from app.planning.draft import Judge, draft_form, plannable, raw_steps
from app.planning.planner import RawStep

GOAL_CHARS_MAX = 4_000
#: Twelve steps of some hundred tokens each.
TOKENS_MAX = 2_000
#: Requests that may wait for a plan of the model; more are planned by the rules at once.
PLANS_MAX = 32

RULES = """\
You plan research tasks. Break the task into the fewest steps that answer it, and give each step to one agent.

Agents:
{agents}

Rules:
- Search for each thing that is compared or asked about in a step of its own; such steps depend on nothing.
- Analyze what each search found, then, if there are several, merge the analyses in one more step.
- The last step writes the report. Every other step is needed by a later one.
- Number the steps from 1. A step depends on earlier steps only.
- An instruction says all that its step needs to know, in one sentence.
{data_rule}

Example. Task: Compare tea and coffee on caffeine
{example}"""

EXAMPLE = {
    "intent": "comparison",
    "subjects": ["tea", "coffee"],
    "aspects": ["caffeine"],
    "steps": [
        {"step": 1, "agent": "retriever", "instruction": "caffeine in tea", "depends_on": [], "reason": "Find tea."},
        {
            "step": 2,
            "agent": "retriever",
            "instruction": "caffeine in coffee",
            "depends_on": [],
            "reason": "Find coffee.",
        },
        {
            "step": 3,
            "agent": "analyzer",
            "instruction": "Compare the caffeine in tea and in coffee.",
            "depends_on": [1, 2],
            "reason": "Set both side by side.",
        },
        {
            "step": 4,
            "agent": "writer",
            "instruction": "Compare tea and coffee on caffeine.",
            "depends_on": [3],
            "reason": "Report.",
        },
    ],
}


class PlanningFailed(Exception):
    """The model gave no plan that can be run, or not in time; the text says why, in one sentence."""


@dataclass(slots=True)
class LlmPlanner:
    """Asks the model within `s_max` seconds, for at most `PLANS_MAX` tasks at a time."""

    converse: Callable[[Report], Llm]
    registry: AgentRegistry
    s_max: float
    name: PlannerName = field(default="llm", init=False)
    _under_way: int = field(default=0, init=False)

    async def plan(self, goal: str, judge: Judge, used: list[LlmUsage]) -> list[RawStep]:
        """
        Valid steps for the goal; what the calls took is added to `used`, also when this fails.

        Raises `PlanningFailed`.
        """
        if self._under_way >= PLANS_MAX:
            raise PlanningFailed(f"The model makes {PLANS_MAX} other plans already.")

        async def report(usage: LlmUsage) -> None:
            used.append(usage)

        self._under_way += 1
        try:
            async with asyncio.timeout(self.s_max):
                return await self._asked(self.converse(report), goal, judge)
        except TimeoutError as error:
            raise PlanningFailed(f"The model gave no plan within {self.s_max:g} seconds.") from error
        except (AgentError, Unavailable) as error:
            raise PlanningFailed(str(error)) from error
        finally:
            self._under_way -= 1

    async def _asked(self, llm: Llm, goal: str, judge: Judge) -> list[RawStep]:
        form = draft_form(self.registry, judge)
        said = [
            Message(role="system", content=instructions(self.registry)),
            Message(role="user", content=f"Plan this task.\n{fenced(goal[:GOAL_CHARS_MAX], 'task')}"),
        ]
        draft = await llm.complete_json(said, form, name="plan", tokens_max=TOKENS_MAX)
        return raw_steps(draft, self.registry)


def instructions(registry: AgentRegistry) -> str:
    """What the model is told; the same for every task of an installation, so that servers can keep it at hand."""
    agents = "\n".join(f"- {spec.name}: {spec.description or 'no description'}" for spec in plannable(registry))
    return RULES.format(agents=agents, data_rule=f"- {DATA_RULE}", example=orjson.dumps(EXAMPLE).decode())
