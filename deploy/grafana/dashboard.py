"""
The source of `stepstream.json`, the dashboard for Grafana: `make grafana` writes it anew.

Every API process tells the same truth about Redis, so that is taken by `max by`; what workers and API processes count
for themselves is summed. Colours and units are Grafana's own, so that it reads well in both of its themes.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
JOB = 'job=~"$api"'
WORKER = 'job=~"$workers"'
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Chart:
    """Lines over time: PromQL by what its legend says."""

    title: str
    lines: dict[str, str]
    unit: str = "short"
    width: int = 8
    text: str = ""
    stacked: bool = False


@dataclass(frozen=True)
class Figure:
    """One number, as it is now."""

    title: str
    query: str
    unit: str = "short"
    text: str = ""


@dataclass(frozen=True)
class Part:
    """A row of the dashboard."""

    title: str
    panels: list[Chart | Figure] = field(default_factory=list)


def known(metric: str, by: str = "") -> str:
    """What lies in Redis, told by any API process for all."""
    return f"max by ({by}) ({metric}{{{JOB}}})"


def rate(metric: str, where: str, by: str = "") -> str:
    """How often, over all processes that count for themselves."""
    return f"sum by ({by}) (rate({metric}{{{where}}}{RATE}))"


def quantile(share: float, metric: str, by: str, where: str) -> str:
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({metric}_bucket{{{where}}}{RATE})))"


def events(kind: str, by: str) -> str:
    """How often events of a kind are written, told by any API process for all; `kind` is a pattern."""
    return f'max by ({by}) (rate(stepstream_events_total{{{JOB}, type=~"{kind}"}}{RATE}))'


PARTS = [
    Part("At a glance", [
        Figure("Open tasks", known("stepstream_open_tasks")),
        Figure("Oldest waiting", known("stepstream_queue_oldest_age_seconds"), "s"),
        Figure("Live workers", known("stepstream_workers")),
        Figure("Dead letters", f"sum(max by (queue) (stepstream_queue_dead{{{JOB}}}))"),
        Figure("Viewers", f"sum(stepstream_viewers{{{JOB}}})"),
        Figure("Repaired", known("stepstream_repaired_total"),
               text="What the audit has had to put right. Above 0 something else writes to the keys."),
        Figure("API processes", f"sum(up{{{JOB}}})"),
        Figure("Redis", known("stepstream_redis_up"), text="1: an API process reaches it."),
    ]),
    Part("Tasks and steps", [
        Chart("Tasks finished", {"{{type}}": events("task.(completed|failed|cancelled|expired)", "type")}, "ops"),
        Chart("Steps completed", {"{{agent}}": events("step.completed", "agent")}, "ops", stacked=True),
        Chart("Steps failed for good", {"{{agent}}": events("step.failed", "agent")}, "ops"),
        Chart("Retries and deferrals", {
            "retried {{agent}}": events("step.retry_scheduled", "agent"),
            "deferred {{agent}}": events("step.deferred", "agent"),
        }, "ops"),
        Chart("Taken over and handed back", {
            "taken over {{agent}}": events("step.redelivered", "agent"),
            "handed back {{agent}}": events("step.released", "agent"),
        }, "ops", text="Taken over: the worker fell silent. Handed back: it ended in an orderly way."),
        Chart("Fenced writes", {"refused": f"max(rate(stepstream_fenced_total{{{JOB}}}{RATE}))"}, "ops",
              text="Results that came from a worker which had lost its step to another one."),
    ]),
    Part("How long steps take", [
        Chart("Wait, 95 %", {"{{agent}}": quantile(0.95, "stepstream_step_wait_seconds", "agent", WORKER)}, "s"),
        Chart("Run, median", {"{{agent}}": quantile(0.5, "stepstream_step_duration_seconds", "agent", WORKER)}, "s"),
        Chart("Run, 95 %", {"{{agent}}": quantile(0.95, "stepstream_step_duration_seconds", "agent", WORKER)}, "s"),
    ]),
    Part("Queues", [
        Chart("Backlog", {"{{queue}}": known("stepstream_queue_backlog", "queue")}),
        Chart("In flight", {"{{queue}}": known("stepstream_queue_in_flight", "queue")}),
        Chart("Oldest waiting message", {"{{queue}}": known("stepstream_queue_oldest_age_seconds", "queue")}, "s"),
        Chart("Delayed", {"{{queue}}": known("stepstream_queue_delayed", "queue")}),
        Chart("Delayed and overdue", {"{{queue}}": known("stepstream_queue_due_lag_seconds", "queue")}, "s"),
        Chart("Dead letters", {"{{queue}}": known("stepstream_queue_dead", "queue")}),
    ]),
    Part("Workers", [
        Chart("Workers per queue", {
            "{{queue}}": known("stepstream_queue_workers", "queue"),
        }, text="Live processes that read the queue."),
        Chart("Steps under way", {
            "{{agent}}": f"sum by (agent) (stepstream_steps_running{{{WORKER}}})",
            "slots": f"sum(stepstream_worker_slots{{{WORKER}}})",
        }),
        Chart("Batches", {
            "{{queue}} {{outcome}}": rate("stepstream_batches_total", WORKER, "queue, outcome"),
        }, "ops"),
    ]),
    Part("Streams and submissions", [
        Chart("Viewers", {"{{instance}}": f"stepstream_viewers{{{JOB}}}"}, stacked=True),
        Chart("Events sent", {"{{instance}}": f"rate(stepstream_events_sent_total{{{JOB}}}{RATE})"}, "ops"),
        Chart("From event to viewer", {
            "median": quantile(0.5, "stepstream_event_delivery_lag_seconds", "job", JOB),
            "99 %": quantile(0.99, "stepstream_event_delivery_lag_seconds", "job", JOB),
        }, "s"),
        Chart("Submissions", {"{{outcome}}": rate("stepstream_submissions_total", JOB, "outcome")}, "ops"),
        Chart("Refused requests", {
            "{{reason}}": rate("stepstream_requests_refused_total", JOB, "reason"),
            "limits not counted": rate("stepstream_rate_limit_errors_total", JOB),
        }, "ops"),
        Chart("Pushes that were missed", {
            "read again": rate("stepstream_event_gap_fills_total", JOB),
            "connections lost": rate("stepstream_push_connection_losses_total", JOB),
            "streams reset": rate("stepstream_stream_resets_total", JOB),
        }, "ops"),
    ]),
    Part("Redis", [
        Chart("Memory", {
            "used": known("stepstream_redis_memory_bytes"),
            "limit": f"max(stepstream_redis_memory_max_bytes{{{JOB}}}) > 0",
        }, "bytes"),
        Chart("Calls made again", {"workers": rate("stepstream_redis_retries_total", WORKER)}, "ops"),
        Chart("Set up as it should be", {
            "keeps a file": known("stepstream_redis_persistent"),
            "may evict": known("stepstream_redis_evicting"),
        }, text="It should keep a file and must never evict."),
    ]),
    Part("Language models", [
        Chart("Calls", {"calls": f"max(rate(stepstream_llm_calls_total{{{JOB}}}{RATE}))"}, "ops"),
        Chart("Tokens", {
            "{{direction}}": f"max by (direction) (rate(stepstream_llm_tokens_total{{{JOB}}}{RATE}))",
        }, "ops"),
        Chart("Cost per hour", {
            "US dollars": f"3600 * max(rate(stepstream_llm_usd_total{{{JOB}}}{RATE}))",
        }, "currencyUSD"),
    ]),
]  # fmt: skip


def query(expression: str, legend: str, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref).datasource(SOURCE)


def figure(panel: Figure) -> stat.Panel:
    made = stat.Panel().title(panel.title).unit(panel.unit).height(4).span(3).datasource(SOURCE)
    made = made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return made.description(panel.text).with_target(query(panel.query, panel.title, "A"))


def chart(panel: Chart) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    made = timeseries.Panel().title(panel.title).unit(panel.unit).height(8).span(panel.width).datasource(SOURCE)
    made = made.description(panel.text).legend(legend.show_legend(True)).min(0)
    if panel.stacked:
        made = made.stacking(common.StackingConfig().mode("normal")).fill_opacity(20)
    for ref, (name, expression) in zip("ABCDEF", panel.lines.items(), strict=False):
        made = made.with_target(query(expression, name, ref))
    return made


def job(name: str, label: str, metric: str) -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable(name).label(label).datasource(SOURCE).include_all(True).multi(True)
    return variable.query({"query": f"label_values({metric}, job)", "refId": name}).refresh(2)


def build() -> str:
    """The dashboard as JSON."""
    board = (
        dashboard.Dashboard("Stepstream")
        .uid("stepstream")
        .tags(["stepstream"])
        .description("Tasks, steps, queues, workers, streams and Redis of a Stepstream installation.")
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(job("api", "API job", "stepstream_redis_up"))
        .with_variable(job("workers", "Workers' job", "stepstream_worker_processes"))
    )
    ids = itertools.count(1)
    for part in PARTS:
        board = board.with_row(dashboard.Row(part.title).id(next(ids)))
        for panel in part.panels:
            made = figure(panel) if isinstance(panel, Figure) else chart(panel)
            board = board.with_panel(made.id(next(ids)))
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("stepstream.json").write_text(build())
