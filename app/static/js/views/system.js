/** The system: Redis, all API processes, what lies in the streams; what is not as it should be stands out. */

import { call, request, serverNow } from "../api.js";
import { ago, count, counted, duration, size } from "../format.js";
import { html } from "../lib.js";
import { samples } from "../model/prometheus.js";
import { Badge, Loading, ProblemBox, useTitle } from "../parts/basics.js";
import { useResource } from "../parts/resource.js";

/** @import { Sample } from "../model/prometheus.js" */
/** @typedef {(name: string, labels?: Record<string, string>) => number | undefined} Value */
/**
 * @typedef {{version: string, role: string, up_ms: number, memory_bytes: number, memory_bytes_max: number, eviction_policy: string,
 *   append_only: boolean, saved: boolean, clients: number, replicas: number}} Server
 * @typedef {{process_id: string, host: string, pid: number, version: string, since_ms: number, silent_ms: number, draining: boolean,
 *   viewers: number, viewers_max: number, events_sent: number}} Process
 */

const POLL_MS = 5_000;
/** A process tells of itself every 5 s. */
const SILENT_MS_MAX = 8_000;

export function System() {
  useTitle("System");
  const { data, problem, reload } = useResource(async (signal) => samples(await (await request("GET", "/metrics", { signal })).text()), [], { everyMs: POLL_MS });
  const system = useResource((signal) => call("GET", "/system", { signal }), [], { everyMs: POLL_MS });
  const value = data && valuesOf(data);
  const found = /** @type {{redis: Server, api_processes: Process[]} | null} */ (system.data);
  return html`<div class="view-head"><h1>System</h1></div>
    ${problem && html`<${ProblemBox} problem=${problem} retry=${reload} />`}
    ${!problem && system.problem && html`<${ProblemBox} problem=${system.problem} retry=${system.reload} />`}
    ${!data && !problem && html`<${Loading} />`}
    ${value && html`<div class="cards system"><${Redis} value=${value} server=${system.problem ? null : found?.redis ?? null} />
      <${Streams} value=${value} samples=${data} /></div>
      ${found && html`<${Processes} processes=${found.api_processes} />`}
      <${Api} value=${value} samples=${data} />`}`;
}

/** @param {Sample[]} found @returns {Value} */
const valuesOf = (found) => (name, labels = {}) =>
  found.find((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))?.value;

/** @param {{title: string, note?: any, children: any}} props */
const Card = ({ title, note, children }) => html`<section class="card" aria-label=${title}><header class="card-head">
  <h2>${title}</h2>${note}</header>${children}</section>`;

/** @param {{term: string, value: any, hint?: string, bad?: boolean}} props */
const Fact = ({ term, value, hint, bad = false }) => html`<div><dt>${term}</dt><dd class="num ${bad ? "bad" : ""}"
  title=${hint}>${value}</dd></div>`;

/** @param {number | undefined} value */
const whole = (value) => (value === undefined ? "–" : count(Math.round(value)));

/** @param {{value: Value, server: Server | null}} props */
function Redis({ value, server }) {
  const up = value("stepstream_redis_up") === 1;
  const repaired = value("stepstream_repaired_total") ?? 0;
  return html`<${Card} title="Redis">
    <dl class="facts">
      <${Fact} term="State" value=${html`<${Badge} status=${up ? "completed" : "failed"} label=${up ? "answers" : "away"} />`} />
      ${server && html`<${About} ...${server} />`}
      <${Fact} term="Open tasks" value=${whole(value("stepstream_open_tasks"))} />
      <${Fact} term="Repaired" value=${whole(repaired)}
        hint="Put right by the audit; above 0 something else has written to the keys" bad=${repaired > 0} />
    </dl>
    ${server && doubts(server).map((doubt) => html`<p key=${doubt} class="notice">${doubt}</p>`)}
  <//>`;
}

/** What about this server may cost tasks. @param {Server} server */
function doubts({ role, eviction_policy: policy, append_only, saved }) {
  return [
    policy !== "" && policy !== "noeviction" && `When its memory is full, this server throws keys away (${policy}), and tasks with them: set maxmemory-policy to noeviction.`,
    !append_only && "The append-only file is off: after a crash of this server tasks are as it last saved them, or gone.",
    !saved && "Its last write to disk failed.",
    role !== "master" && `This server follows another one (${role}): it takes no tasks.`,
  ].filter(Boolean);
}

/** @param {Server} server */
function About({ version, role, up_ms, memory_bytes: used, memory_bytes_max: limit, eviction_policy: policy, append_only, saved, clients, replicas }) {
  const evicts = policy !== "" && policy !== "noeviction";
  return html`
    <${Fact} term="Version" value=${version} />
    <${Fact} term="Up" value=${duration(up_ms)} />
    <${Fact} term="Memory" value=${limit ? `${size(used)} of ${size(limit)}` : `${size(used)}, no limit`} bad=${limit > 0 && used > 0.9 * limit} />
    <${Fact} term="When memory is full" value=${evicts ? `throws keys away (${policy})` : "refuses writes"} bad=${evicts} hint=${policy} />
    <${Fact} term="Append-only file" value=${append_only ? "on" : "off"} bad=${!append_only} />
    <${Fact} term="Last write to disk" value=${saved ? "went well" : "failed"} bad=${!saved} />
    <${Fact} term="Connections" value=${count(clients)} />
    <${Fact} term="Replicas" value=${role === "master" ? count(replicas) : `is one itself (${role})`} bad=${role !== "master"} />`;
}

/** What lies in all queues together, and in the stream that tells of events. @param {{value: Value, samples: Sample[]}} props */
function Streams({ value, samples: found }) {
  const of = (/** @type {string} */ name) => found.filter((sample) => sample.name === `stepstream_queue_${name}`).map((sample) => sample.value);
  const sum = (/** @type {string} */ name) => of(name).reduce((total, one) => total + one, 0);
  const oldest = Math.max(0, ...of("oldest_age_seconds"));
  return html`<${Card} title="Streams">
    <dl class="facts">
      <${Fact} term="Waiting" value=${whole(sum("backlog"))} hint="Messages that no worker has taken" />
      <${Fact} term="Oldest" value=${oldest ? duration(oldest * 1000) : "–"} hint="How long the oldest of them has waited" />
      <${Fact} term="In flight" value=${whole(sum("in_flight"))} />
      <${Fact} term="Delayed" value=${whole(sum("delayed"))} />
      <${Fact} term="Dead letters" value=${whole(sum("dead"))} bad=${sum("dead") > 0} />
      <${Fact} term="Event notices" value=${whole(value("stepstream_firehose_entries"))}
        hint="Entries of the stream that tells API processes of events; the oldest are trimmed" />
    </dl>
  <//>`;
}

/** Every API process of the installation, the oldest first. @param {{processes: Process[]}} props */
function Processes({ processes }) {
  const viewers = processes.reduce((sum, one) => sum + one.viewers, 0);
  const versions = new Set(processes.map((one) => one.version)).size;
  return html`<${Card} title="API processes" note=${html`<span
      class="hint">${counted(processes.length, "process", "processes")}, ${counted(viewers, "viewer")}</span>${versions > 1 && html`<${Badge} status="paused" label="versions differ" />`}`}>
    <table class="list small">
      <thead><tr><th scope="col">Process</th><th scope="col" class="fit">Version</th><th scope="col" class="fit num">Up</th>
        <th scope="col" class="fit num">Viewers</th><th scope="col" class="fit num wide">Events sent</th>
        <th scope="col" class="fit num wide">Heard</th></tr></thead>
      <tbody>${processes.map((one) => html`<tr key=${one.process_id}>
        <th scope="row"><code>${one.host}:${one.pid}</code> ${one.draining && html`<${Badge} status="paused" label="about to end" />`}</th>
        <td class="fit">${one.version}</td>
        <td class="fit num">${duration(Math.max(0, serverNow() - one.since_ms))}</td>
        <td class="fit num" title=${`of ${count(one.viewers_max)} at most`}><span
          class=${one.viewers > 0.9 * one.viewers_max ? "bad" : ""}>${count(one.viewers)}</span></td>
        <td class="fit num wide">${count(one.events_sent)}</td>
        <td class="fit num wide ${one.silent_ms > SILENT_MS_MAX ? "bad" : ""}">${ago(one.silent_ms)}</td></tr>`)}</tbody>
    </table>
  <//>`;
}

/** What the process that answers has counted. @param {{value: Value, samples: Sample[]}} props */
function Api({ value, samples: found }) {
  const memory = value("process_resident_memory_bytes");
  const refused = found.filter((sample) => sample.name === "stepstream_requests_refused_total");
  return html`<${Card} title="The process that answers you">
    <dl class="facts">
      ${memory !== undefined && html`<${Fact} term="Memory" value=${size(memory)} />`}
      ${["accepted", "replayed", "invalid", "refused"].map((outcome) =>
        html`<${Fact} key=${outcome} term=${`Submissions ${outcome}`}
          value=${whole(value("stepstream_submissions_total", { outcome }))} />`)}
      ${refused.map(({ labels, value: times }) =>
        html`<${Fact} key=${labels.reason} term=${`Requests: ${labels.reason}`} value=${count(times)} />`)}
      <${Fact} term="Gaps filled" value=${whole(value("stepstream_event_gap_fills_total"))}
        hint="Reads from the log for pushes that were missed" />
      <${Fact} term="Streams begun anew" value=${whole(value("stepstream_stream_resets_total"))}
        hint="Viewers told to forget what they have, because the log is another one" />
      <${Fact} term="Push losses" value=${whole(value("stepstream_push_connection_losses_total"))}
        hint="Losses of the connection on which Redis tells of events" />
    </dl>
  <//>`;
}
