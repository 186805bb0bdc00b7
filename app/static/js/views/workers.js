/** Workers: who is there, when they were last heard of, and what they are at. */

import { call } from "../api.js";
import { ago, count, counted, duration, shortId } from "../format.js";
import { html } from "../lib.js";
import { Badge, Empty, Loading, ProblemBox, useTitle } from "../parts/basics.js";
import { useResource } from "../parts/resource.js";
import { href } from "../router.js";

/**
 * @typedef {{task_id: string, step_id: number, agent: string, attempt: number, running_ms: number}} Running
 * @typedef {{worker_id: string, alive: boolean, host: string, pid: number, version: string | null, since_ms: number | null,
 *   seen_ms: number, silent_ms: number, metrics_url: string | null, queues: string[], threads: number, in_flight: number, running: Running[]}} Worker
 */

const POLL_MS = 2_000;
const RUNNING_MAX = 8;

export function Workers() {
  useTitle("Workers");
  const { data, problem, reload } = useResource((signal) => call("GET", "/workers", { signal }), [], { everyMs: POLL_MS });
  const workers = /** @type {Worker[] | null} */ (data);
  const alive = workers?.filter((worker) => worker.alive) ?? [];
  const versions = new Set(alive.map((worker) => worker.version)).size;
  const threads = alive.reduce((sum, worker) => sum + worker.threads, 0);
  return html`<div class="view-head"><h1>Workers</h1>${workers &&
    html`<p class="hint">${counted(alive.length, "process", "processes")} alive, ${counted(threads, "thread")}</p>
      ${versions > 1 && html`<${Badge} status="paused" label="versions differ" />`}`}</div>
    ${problem && html`<${ProblemBox} problem=${problem} retry=${reload} />`}
    ${!workers && !problem && html`<${Loading} />`}
    ${workers?.length === 0 && html`<${Empty} title="No worker has reported itself.">
      <p>Start one with <code>dramatiq actors</code>, or everything with <code>stepstream up</code>.</p><//>`}
    ${workers && html`<div class="cards">${workers.map((worker) =>
      html`<${Card} key=${worker.worker_id} worker=${worker} />`)}</div>`}`;
}

/** @param {{worker: Worker}} props */
function Card({ worker }) {
  const busy = worker.running.length;
  return html`<section class="card ${worker.alive ? "" : "gone"}" aria-label=${`Worker ${worker.worker_id}`}>
    <header class="card-head">
      <h2><code>${worker.host}:${worker.pid}</code></h2>
      <span class="badge tone-${worker.alive ? "completed" : "failed"}">${worker.alive ? "alive" : "silent"}</span>
    </header>
    <dl class="facts">
      <div><dt>Heard</dt><dd class="num">${ago(worker.silent_ms)}</dd></div>
      <div><dt>Up</dt><dd class="num">${worker.since_ms ? duration(Math.max(0, worker.seen_ms + worker.silent_ms - worker.since_ms)) : "–"}</dd></div>
      <div><dt>Threads</dt><dd class="num">${count(worker.in_flight)} of ${count(worker.threads)} busy</dd></div>
      <div><dt>Version</dt><dd>${worker.version ?? "unknown"}</dd></div>
      ${worker.metrics_url && html`<div><dt>Metrics</dt><dd><code>${worker.metrics_url}</code></dd></div>`}
    </dl>
    <p class="hint">Reads ${worker.queues.join(", ") || "nothing"}</p>
    ${busy === 0 && html`<p class="hint">Nothing is running.</p>`}
    <ul class="runs">${worker.running.slice(0, RUNNING_MAX).map(
      (one) => html`<li key=${`${one.task_id}:${one.step_id}`}>
        <span><a href=${href(["tasks", one.task_id], { step: String(one.step_id) })}>${one.agent}, step ${one.step_id}</a> <code class="faint">${shortId(one.task_id)}</code></span>
        <span class="hint num">${one.attempt > 1 ? `attempt ${one.attempt}, ` : ""}${duration(one.running_ms)}</span></li>`,
    )}</ul>
    ${busy > RUNNING_MAX && html`<p class="hint">and ${busy - RUNNING_MAX} more</p>`}
  </section>`;
}
