"""Dramatiq: a pipeline of three actors on its RedisBroker; with BENCH_RESULTS, results are stored too."""

import os
from contextlib import nullcontext

import dramatiq
from common import STORE_URL, begin, end
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

RESULTS = os.environ.get("BENCH_RESULTS") == "1"

broker = RedisBroker(url=STORE_URL)
if RESULTS:
    broker.add_middleware(Results(backend=RedisBackend(url=STORE_URL), store_results=True))
dramatiq.set_broker(broker)
connect = nullcontext


@dramatiq.actor
def first(number: int) -> int:
    begin(number)
    return number


@dramatiq.actor
def second(number: int) -> int:
    return number


@dramatiq.actor
def third(number: int) -> int:
    end(number)
    return number


def submit(number: int) -> None:
    dramatiq.pipeline([first.message(number), second.message(), third.message()]).run()
