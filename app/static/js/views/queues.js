/** Queues: what waits and for how long, what is under way, how fast it goes; pause and resume. */

import { call, Problem, serverNow } from "../api.js";
import { count, duration } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { Flow, quantile, SLOT_MS, SLOTS } from "../model/flow.js";
import { History, pieces } from "../model/history.js";
import { Badge, Empty, Loading, ProblemBox, useTitle } from "../parts/basics.js";
import { perSecond, QueueCharts } from "../parts/queue_charts.js";
import { useResource } from "../parts/resource.js";
import { Spark } from "../parts/spark.js";
import { href, route } from "../router.js";
import { watch } from "../stream.js";

/** @import { Measure } from "../model/history.js" */
/**
 * @typedef {{name: string, waiting: number, waiting_by_level: {high: number, normal: number, low: number} | null,
 *   in_flight: number, delayed: number, dead: number, oldest_age_ms: number, paused: boolean, consumers: number}} Queue
 */

const POLL_MS = 2_000;
const SAMPLES_MS = 10_000;
/** Bars of a small chart. */
const PIECES = 40;
/** Before so long what was seen says less than the last sample of the server. */
const SEEN_MS_MIN = 15_000;
const TYPES = "step.started,step.completed,step.failed,step.retry_scheduled";

/** What was seen since this page was opened, and what the server has told of before; they outlive the view, not the page. */
const flows = /** @type {Map<string, Flow>} */ (new Map());
const history = new History();
let watchedSince = 0;

export function Queues() {
  useTitle("Queues");
  const agents = useResource((signal) => call("GET", "/agents", { signal }), []);
  const queues = useResource((signal) => call("GET", "/queues", { signal }), [], { everyMs: POLL_MS });
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  useResource(samples, [], { everyMs: SAMPLES_MS });
  useFlow(agents.data);
  /** @param {Queue} queue */
  const toggle = async (queue) => {
    setProblem(null);
    try {
      await call("POST", `/queues/${encodeURIComponent(queue.name)}/${queue.paused ? "resume" : "pause"}`);
    } catch (error) {
      setProblem(/** @type {Problem} */ (error));
    }
    queues.reload();
  };
  const found = /** @type {Queue[] | null} */ (queues.data);
  const chosen = found?.find(({ name }) => name === route.value.query.get("queue"))?.name ?? "";
  return html`<div class="view-head"><h1>Queues</h1>
    <p class="hint">Charts are of the last hour, times of the last ${(SLOT_MS * SLOTS) / 60_000} minutes as seen since this page was opened.</p></div>
    ${problem && html`<${ProblemBox} problem=${problem} />`}
    ${queues.problem && html`<${ProblemBox} problem=${queues.problem} retry=${queues.reload} />`}
    ${!found && !queues.problem && html`<${Loading} />`}
    ${found?.length === 0 && html`<${Empty} title="No queue has been used yet." />`}
    ${found && found.length > 0 && html`<${QueueCharts} history=${history} last=${history.last} until=${serverNow()} queue=${chosen} />
      <${Table} queues=${found} toggle=${toggle} chosen=${chosen} />`}`;
}

/** Fetches what has been sampled since. @param {AbortSignal} signal */
async function samples(signal) {
  history.add(await call("GET", `/queues/history?after_ms=${history.last}`, { signal }));
  return history.last;
}

/** @param {string} name */
function flowOf(name) {
  const found = flows.get(name) ?? new Flow();
  flows.set(name, found);
  return found;
}

/** @param {{name: string, queue: string}[] | null} agents */
function useFlow(agents) {
  useEffect(() => {
    if (!agents) return;
    const queueOf = new Map(agents.map((agent) => [agent.name, agent.queue]));
    watchedSince ||= serverNow();
    return watch(`/events?types=${TYPES}`, (frames) => {
      for (const { id, data } of frames) {
        if (!id || !data) continue;
        const event = JSON.parse(data);
        const queue = queueOf.get(event.agent);
        if (queue) flowOf(queue).add(event);
      }
    });
  }, [agents]);
}

/** @param {{queues: Queue[], toggle: (queue: Queue) => void, chosen: string}} props */
function Table({ queues, toggle, chosen }) {
  return html`<table class="list queues">
    <thead><tr>
      <th scope="col">Queue</th><th scope="col" class="fit num">Waiting</th><th scope="col" class="fit num wide">Oldest</th>
      <th scope="col" class="fit num">In flight</th><th scope="col" class="fit num wide roomy">Delayed</th><th scope="col"
        class="fit num">Dead</th>
      <th scope="col" class="fit num wide roomy">Workers</th><th scope="col" class="fit num wide roomy">Throughput</th>
      <th scope="col" class="fit num wide">Wait p50 / p95</th><th scope="col" class="fit num wide">Run p50 / p95</th><th scope="col"
        class="fit"><span class="hidden">Actions</span></th>
    </tr></thead>
    <tbody>${queues.map((queue) => html`<${Row} key=${queue.name} queue=${queue} toggle=${toggle} chosen=${queue.name === chosen} />`)}</tbody>
  </table>`;
}

/** @param {{queue: Queue, toggle: (queue: Queue) => void, chosen: boolean}} props */
function Row({ queue, toggle, chosen }) {
  const now = serverNow();
  return html`<tr class=${queue.waiting + queue.in_flight + queue.delayed ? "busy-row" : ""} aria-label=${queue.name}>
    <th scope="row"><span class="queue-name"><a href=${href(["queues"], { queue: chosen ? "" : queue.name })}
        title=${chosen ? "Show the charts of all queues" : "Show the charts of this queue"}
        aria-current=${chosen ? "true" : undefined}>${queue.name}</a>
      ${queue.paused && html`<${Badge} status="paused" />`}
      ${queue.consumers === 0 && queue.waiting > 0 && html`<${Badge} status="failed" label="no worker reads it" />`}</span></th>
    <td class="fit num"><span class="chart"><${Hour} name=${queue.name} measure="waiting" label="Waiting" now=${now} say=${count} /><span
      class="waiting" title=${levels(queue)}>${count(queue.waiting)}</span></span></td>
    <td class="fit num wide">${queue.waiting ? duration(queue.oldest_age_ms) : "–"}</td>
    <td class="fit num">${count(queue.in_flight)}</td>
    <td class="fit num wide roomy">${count(queue.delayed)}</td>
    <td class="fit num">${queue.dead ?
      html`<a href=${href(["dead-letters"], { queue: queue.name })}>${count(queue.dead)}</a>` : "0"}</td>
    <td class="fit num wide roomy">${count(queue.consumers)}</td>
    <td class="fit num wide roomy"><span class="chart"><${Hour} name=${queue.name} measure="ended_per_s" label="Throughput" now=${now}
      say=${perSecond} /><span>${perSecond(rate(queue.name, now))}</span></span></td>
    <td class="fit num wide"><${Times} name=${queue.name} kind="waits" measure="wait_p95_ms" /></td>
    <td class="fit num wide"><${Times} name=${queue.name} kind="runs" measure="run_p95_ms" /></td>
    <td class="fit"><button type="button"
      onClick=${() => toggle(queue)}>${queue.paused ? "Resume" : "Pause"}<span class="hidden"> ${queue.name}</span></button></td>
  </tr>`;
}

/** @param {Queue} queue */
function levels({ waiting_by_level: by }) {
  return by ? `${by.high} high, ${by.normal} normal, ${by.low} low` : undefined;
}

/** The last hour in little. @param {{name: string, measure: Measure, label: string, now: number, say: (value: number) => string}} props */
function Hour({ name, measure, label, now, say }) {
  const values = pieces(history.times, history.of(name, measure), now, PIECES).map((value) => value ?? 0);
  return html`<${Spark} values=${values} label=${`${label}, last hour`} kind="bars" say=${say} />`;
}

/** Attempts that ended per second: as seen, or as the server has sampled when too little was. @param {string} name @param {number} now */
function rate(name, now) {
  const seen = flowOf(name).rate(now, watchedSince || now);
  return now - watchedSince < SEEN_MS_MIN ? (history.of(name, "ended_per_s").at(-1) ?? seen) : seen;
}

/** How long steps waited or ran: half of them and 95 %; of the last sample where nothing was seen.
 * @param {{name: string, kind: "waits" | "runs", measure: Measure}} props */
function Times({ name, kind, measure }) {
  const samples = flowOf(name).samples(kind);
  const [half, most] = [quantile(samples, 0.5), quantile(samples, 0.95) ?? history.of(name, measure).at(-1) ?? null];
  if (most === null) return html`–`;
  return html`<span title="half of them, and 95 %, took at most this">${half === null ? "–" : duration(half)} / ${duration(most)}</span>`;
}
