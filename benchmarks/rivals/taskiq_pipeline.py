"""taskiq with taskiq-pipelines: three tasks in a pipeline over a Redis stream, results in the same Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from common import STORE_URL, begin, end
from taskiq_pipelines import Pipeline, PipelineMiddleware
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

broker = (
    RedisStreamBroker(STORE_URL)
    .with_result_backend(RedisAsyncResultBackend(STORE_URL))
    .with_middlewares(PipelineMiddleware())
)


@broker.task
async def first(number: int) -> int:
    begin(number)
    return number


@broker.task
async def second(number: int) -> int:
    return number


@broker.task
async def third(number: int) -> int:
    end(number)
    return number


@asynccontextmanager
async def connect() -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


async def submit(number: int) -> None:
    await Pipeline(broker, first).call_next(second).call_next(third).kiq(number)
