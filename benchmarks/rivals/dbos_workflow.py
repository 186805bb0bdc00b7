"""
DBOS: a workflow of three steps from a queue; `python dbos_workflow.py` is a worker.

The steps of a workflow run in one process, one after the other; each result is stored before the next step.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from common import STORE_URL, THREADS, begin, end
from dbos import DBOS, DBOSClient, run_dbos_database_migrations

#: Its default is once per second.
POLL_S = float(os.environ.get("BENCH_POLL_S", "1"))
QUEUE = "bench"

_clients: list[DBOSClient] = []


@DBOS.step()
def first(number: int) -> int:
    begin(number)
    return number


@DBOS.step()
def second(number: int) -> int:
    return number


@DBOS.step()
def third(number: int) -> int:
    end(number)
    return number


@DBOS.workflow()
def chain(number: int) -> int:
    return third(second(first(number)))


@contextmanager
def connect() -> Iterator[None]:
    run_dbos_database_migrations(system_database_url=STORE_URL)
    client = DBOSClient(system_database_url=STORE_URL)
    _clients.append(client)
    yield
    client.destroy()


def submit(number: int) -> None:
    _clients[0].enqueue({"queue_name": QUEUE, "workflow_name": chain.__qualname__}, number)


def main() -> None:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": STORE_URL,
            "run_admin_server": False,
            "log_level": "WARNING",
            "max_executor_threads": THREADS,
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=POLL_S, worker_concurrency=THREADS * 4)
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
