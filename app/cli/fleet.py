"""`stepstream workers`: who works, at what, and when they were last heard; over the HTTP API."""

from collections.abc import Sequence

from app.cli.environment import Url, api
from app.cli.exits import Exit
from app.cli.records import Json, age, for_programs, say_records, show_table, table
from app.cli.terminal import cell, end, tell
from app.model.fleet import RunningAttempt, WorkerBody

RUNNING_SHOWN_MAX = 3


def workers(url: Url = None, as_json: Json = None) -> None:
    """Show worker processes. Where they run, what they are at, when they last reported; needs an admin key."""
    with api(url) as client:
        found = client.workers()
    if not found:
        end("no worker has reported itself: begin `stepstream worker`", Exit.FAILED)
    if for_programs(as_json):
        say_records(found, as_json)
    else:
        _print(found)


def _print(workers: Sequence[WorkerBody]) -> None:
    rows = table("worker", "state", "heard", "version", "threads", "batches", "queues", "running")
    for worker in workers:
        rows.add_row(
            cell(worker.worker_id),
            cell("alive", style="green") if worker.alive else cell("silent", style="red"),
            cell(f"{age(worker.silent_ms)} ago"),
            cell(worker.version or "-"),
            cell(worker.threads),
            cell(worker.in_flight),
            cell(",".join(worker.queues)),
            cell(_running(worker.running)),
        )
    show_table(rows)
    if urls := sorted({worker.metrics_url for worker in workers if worker.metrics_url}):
        tell(f"metrics: {', '.join(urls)}")


def _running(attempts: Sequence[RunningAttempt]) -> str:
    """The longest running ones, the longest first."""
    shown = [f"{a.task_id} step {a.step_id} {a.agent} {age(a.running_ms)}" for a in attempts[:RUNNING_SHOWN_MAX]]
    more = len(attempts) - len(shown)
    return "; ".join(shown + ([f"{more} more"] if more else []))
