"""Stepstream: a task of three steps; state, results and events of all of them are stored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.bootstrap.api import api_services
from app.config import Settings
from app.dispatch.dispatcher import Dispatcher, Submission

_dispatchers: list[Dispatcher] = []


@asynccontextmanager
async def connect() -> AsyncIterator[None]:
    async with api_services(Settings()) as services:
        _dispatchers.append(services.dispatcher)
        yield


async def submit(number: int) -> None:
    plan = [step(number, 1, "begin"), step(number, 2, "middle"), step(number, 3, "end")]
    await _dispatchers[0].submit(Submission(task="Next to nothing", plan=plan))


def step(number: int, place: int, name: str) -> dict[str, object]:
    depends_on = [place - 1] if place > 1 else []
    return {"step_id": place, "agent": "marker", "payload": f"{number} {name}", "depends_on": depends_on}
