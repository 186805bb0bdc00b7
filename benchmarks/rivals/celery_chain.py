"""Celery: a chain of three tasks, each handing its result to the next; the result backend is the same Redis."""

from contextlib import nullcontext

from celery import Celery, chain
from common import STORE_URL, begin, end

app = Celery("bench", broker=STORE_URL, backend=STORE_URL)
app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
connect = nullcontext


@app.task
def first(number: int) -> int:
    begin(number)
    return number


@app.task
def second(number: int) -> int:
    return number


@app.task
def third(number: int) -> int:
    end(number)
    return number


def submit(number: int) -> None:
    chain(first.s(number), second.s(), third.s()).apply_async()
