"""
Very many tasks, by the transitions themselves: `python -m tests.dashboard.crowd REDIS_URL NAMESPACE TASKS OPEN`.

In a process of its own: these agents are no others' business, and beside Playwright no test has an event loop.
"""

import asyncio
import sys
import time

import redis.asyncio

from app.bootstrap import bounds
from app.bootstrap.startup import load_agents
from app.config import Settings
from app.dispatch.intake import Intake
from app.dispatch.scripts import ScriptRunner
from app.dispatch.store import TaskStore
from app.keys import Keys
from app.model.plan import Plan
from app.model.task import CancelMode, NewTask, new_task_id

AT_ONCE = 200
PLAN = Plan.model_validate({"planner": "client", "steps": [{"step_id": 1, "agent": "noop", "payload": "x"}]})


async def main(redis_url: str, namespace: str, tasks: int, left_open: int) -> None:
    """Takes tasks in, a millisecond apart, and cancels all but the newest."""
    settings = Settings(namespace=namespace, agent_modules=["tests.dashboard.agents"])
    agents = load_agents(settings)
    begin_ms = int(time.time() * 1000) - tasks
    async with redis.asyncio.Redis.from_url(redis_url, protocol=2) as client:
        store = TaskStore(ScriptRunner(client, Keys(namespace), 5_000), bounds.task_limits(settings))

        async def one(number: int) -> None:
            task_id = new_task_id(begin_ms + number, number)
            task = f"Look at {'zebra' if number % 100 == 0 else 'lion'} {number}"
            await store.submit(Intake(NewTask(task_id=task_id, task=task, plan=PLAN)), agents)
            if number < tasks - left_open:
                await store.cancel(task_id, CancelMode.FORCE, by="test", reason=None)

        for first in range(0, tasks, AT_ONCE):
            await asyncio.gather(*map(one, range(first, first + AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
