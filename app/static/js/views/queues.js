/** Queues: what waits and for how long, what is under way, how fast it goes; pause and resume. */

import { call, Problem, serverNow } from "../api.js";
import { count, duration } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { Flow, quantile, SLOT_MS, SLOTS } from "../model/flow.js";
import { Badge, Empty, Loading, ProblemBox, useTitle } from "../parts/basics.js";
import { useResource } from "../parts/resource.js";
import { Spark } from "../parts/spark.js";
import { href } from "../router.js";
import { watch } from "../stream.js";

/**
 * @typedef {{name: string, waiting: number, waiting_by_level: {high: number, normal: number, low: number} | null,
 *   in_flight: number, delayed: number, dead: number, oldest_age_ms: number, paused: boolean, consumers: number}} Queue
 */

const POLL_MS = 2_000;
const TYPES = "step.started,step.completed,step.failed,step.retry_scheduled";

/** What was seen since this page was opened; it outlives the view, not the page. */
const flows = /** @type {Map<string, Flow>} */ (new Map());
let watchedSince = 0;

export function Queues() {
  useTitle("Queues");
  const agents = useResource((signal) => call("GET", "/agents", { signal }), []);
  const queues = useResource((signal) => sampled(signal), [], { everyMs: POLL_MS });
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
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
  return html`<div class="view-head"><h1>Queues</h1>
    <p class="hint">Charts and times are of the last ${(SLOT_MS * SLOTS) / 60_000} minutes, as seen since this page was opened.</p></div>
    ${problem && html`<${ProblemBox} problem=${problem} />`}
    ${queues.problem && html`<${ProblemBox} problem=${queues.problem} retry=${queues.reload} />`}
    ${!queues.data && !queues.problem && html`<${Loading} />`}
    ${queues.data?.length === 0 && html`<${Empty} title="No queue has been used yet." />`}
    ${queues.data && queues.data.length > 0 && html`<${Table} queues=${queues.data} toggle=${toggle} />`}`;
}

/** @param {AbortSignal} signal @returns {Promise<Queue[]>} */
async function sampled(signal) {
  const found = /** @type {Queue[]} */ (await call("GET", "/queues", { signal }));
  for (const queue of found) flowOf(queue.name).sample(queue.waiting, serverNow());
  return found;
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

/** @param {{queues: Queue[], toggle: (queue: Queue) => void}} props */
function Table({ queues, toggle }) {
  return html`<table class="list queues">
    <thead><tr>
      <th scope="col">Queue</th><th scope="col" class="fit num">Waiting</th><th scope="col" class="fit num wide">Oldest</th>
      <th scope="col" class="fit num">In flight</th><th scope="col" class="fit num wide roomy">Delayed</th><th scope="col"
        class="fit num">Dead</th>
      <th scope="col" class="fit num wide roomy">Workers</th><th scope="col" class="fit num wide roomy">Ended per second</th>
      <th scope="col" class="fit num wide">Wait p50 / p95</th><th scope="col" class="fit num wide">Run p50 / p95</th><th scope="col"
        class="fit"><span class="hidden">Actions</span></th>
    </tr></thead>
    <tbody>${queues.map((queue) => html`<${Row} key=${queue.name} queue=${queue} toggle=${toggle} />`)}</tbody>
  </table>`;
}

/** @param {{queue: Queue, toggle: (queue: Queue) => void}} props */
function Row({ queue, toggle }) {
  const flow = flowOf(queue.name);
  const now = serverNow();
  return html`<tr class=${queue.waiting + queue.in_flight + queue.delayed ? "busy-row" : ""} aria-label=${queue.name}>
    <th scope="row"><span class="queue-name">${queue.name}
      ${queue.paused && html`<${Badge} status="paused" />`}
      ${queue.consumers === 0 && queue.waiting > 0 && html`<${Badge} status="failed" label="no worker reads it" />`}</span></th>
    <td class="fit num"><span class="chart"><${Spark} values=${flow.backlog} label="Waiting" /><span
      class="waiting" title=${levels(queue)}>${count(queue.waiting)}</span></span></td>
    <td class="fit num wide">${queue.waiting ? duration(queue.oldest_age_ms) : "–"}</td>
    <td class="fit num">${count(queue.in_flight)}</td>
    <td class="fit num wide roomy">${count(queue.delayed)}</td>
    <td class="fit num">${queue.dead ?
      html`<a href=${href(["dead-letters"], { queue: queue.name })}>${count(queue.dead)}</a>` : "0"}</td>
    <td class="fit num wide roomy">${count(queue.consumers)}</td>
    <td class="fit num wide roomy"><span class="chart"><${Spark} values=${flow.series(now, (slot) => slot.ended)} label="Steps ended per 5 s"
      kind="bars" /><span>${flow.rate(now, watchedSince || now).toFixed(1)}</span></span></td>
    <td class="fit num wide"><${Times} flow=${flow} kind="waits" label="Wait, p95 per 5 s" now=${now} /></td>
    <td class="fit num wide"><${Times} flow=${flow} kind="runs" label="Run, p95 per 5 s" now=${now} /></td>
    <td class="fit"><button type="button"
      onClick=${() => toggle(queue)}>${queue.paused ? "Resume" : "Pause"}<span class="hidden"> ${queue.name}</span></button></td>
  </tr>`;
}

/** @param {Queue} queue */
function levels({ waiting_by_level: by }) {
  return by ? `${by.high} high, ${by.normal} normal, ${by.low} low` : undefined;
}

/** How long steps waited or ran: half of them and 95 %, and the 95 % over time.
 * @param {{flow: Flow, kind: "waits" | "runs", label: string, now: number}} props */
function Times({ flow, kind, label, now }) {
  const samples = flow.samples(kind);
  const [half, most] = [quantile(samples, 0.5), quantile(samples, 0.95)];
  if (half === null || most === null) return html`–`;
  const values = flow.series(now, (slot) => quantile(slot[kind], 0.95) ?? 0);
  return html`<span class="times"><span title="half of them, and 95 %, took at most this">${duration(half)} / ${duration(most)}</span>
    <${Spark} values=${values} label=${label} kind="bars" say=${duration} /></span>`;
}
