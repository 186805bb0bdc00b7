/** The system: Redis, this API process, its viewers; what is not as it should be stands out. */

import { call, request } from "../api.js";
import { count, duration, size } from "../format.js";
import { html } from "../lib.js";
import { samples } from "../model/prometheus.js";
import { Badge, Loading, ProblemBox, useTitle } from "../parts/basics.js";
import { useResource } from "../parts/resource.js";

/** @import { Sample } from "../model/prometheus.js" */
/** @typedef {(name: string, labels?: Record<string, string>) => number | undefined} Value */

const POLL_MS = 5_000;

export function System() {
  useTitle("System");
  const { data, problem, reload } = useResource(async (signal) => samples(await (await request("GET", "/metrics", { signal })).text()), [], { everyMs: POLL_MS });
  const about = useResource((signal) => call("GET", "/openapi.json", { signal }), []);
  return html`<div class="view-head"><h1>System</h1>${about.data &&
    html`<p class="hint">Stepstream ${about.data.info.version}</p>`}</div>
    ${problem && html`<${ProblemBox} problem=${problem} retry=${reload} />`}
    ${!data && !problem && html`<${Loading} />`}
    ${data && html`<div class="cards system"><${Redis} value=${valuesOf(data)} />
      <${Streams} value=${valuesOf(data)} samples=${data} /><${Viewers} value=${valuesOf(data)} />
      <${Api} value=${valuesOf(data)} samples=${data} /></div>`}`;
}

/** @param {Sample[]} found @returns {Value} */
const valuesOf = (found) => (name, labels = {}) =>
  found.find((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))?.value;

/** @param {{title: string, children: any}} props */
const Card = ({ title, children }) => html`<section class="card" aria-label=${title}><header class="card-head">
  <h2>${title}</h2></header>${children}</section>`;

/** @param {{term: string, value: any, hint?: string, bad?: boolean}} props */
const Fact = ({ term, value, hint, bad = false }) => html`<div><dt>${term}</dt><dd class="num ${bad ? "bad" : ""}"
  title=${hint}>${value}</dd></div>`;

/** @param {number | undefined} value */
const whole = (value) => (value === undefined ? "–" : count(Math.round(value)));

/** @param {{value: Value}} props */
function Redis({ value }) {
  const up = value("stepstream_redis_up") === 1;
  const [used, most] = [value("stepstream_redis_memory_bytes"), value("stepstream_redis_memory_max_bytes")];
  const repaired = value("stepstream_repaired_total") ?? 0;
  return html`<${Card} title="Redis">
    <dl class="facts">
      <${Fact} term="State" value=${html`<${Badge} status=${up ? "completed" : "failed"} label=${up ? "answers" : "away"} />`} />
      ${used !== undefined && html`<${Fact} term="Memory" value=${most ? `${size(used)} of ${size(most)}` : size(used)}
        hint="Used, and the limit where there is one" bad=${Boolean(most && used > 0.9 * most)} />`}
      <${Fact} term="Open tasks" value=${whole(value("stepstream_open_tasks"))} />
      <${Fact} term="Repaired" value=${whole(repaired)}
        hint="Put right by the audit; above 0 something else has written to the keys" bad=${repaired > 0} />
    </dl>
  <//>`;
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

/** @param {{value: Value}} props */
const Viewers = ({ value }) => html`<${Card} title="Viewers of this process">
  <dl class="facts">
    <${Fact} term="Streams" value=${whole(value("stepstream_viewers"))} hint="Open event streams, this page's among them" />
    <${Fact} term="Events sent" value=${whole(value("stepstream_events_sent_total"))} />
    <${Fact} term="Gaps filled" value=${whole(value("stepstream_event_gap_fills_total"))}
      hint="Reads from the log for pushes that were missed" />
    <${Fact} term="Resets" value=${whole(value("stepstream_stream_resets_total"))} hint="Streams told to forget what they have" />
    <${Fact} term="Push losses" value=${whole(value("stepstream_push_connection_losses_total"))} />
  </dl>
<//>`;

/** @param {{value: Value, samples: Sample[]}} props */
function Api({ value, samples: found }) {
  const [memory, started] = [value("process_resident_memory_bytes"), value("process_start_time_seconds")];
  const refused = found.filter((sample) => sample.name === "stepstream_requests_refused_total");
  return html`<${Card} title="API process">
    <dl class="facts">
      ${started !== undefined && html`<${Fact} term="Up" value=${duration(Math.max(0, Date.now() - started * 1000))} />`}
      ${memory !== undefined && html`<${Fact} term="Memory" value=${size(memory)} />`}
      ${["accepted", "replayed", "invalid", "refused"].map((outcome) =>
        html`<${Fact} key=${outcome} term=${`Submissions ${outcome}`}
          value=${whole(value("stepstream_submissions_total", { outcome }))} />`)}
      ${refused.map(({ labels, value: times }) =>
        html`<${Fact} key=${labels.reason} term=${`Requests: ${labels.reason}`} value=${count(times)} />`)}
    </dl>
  <//>`;
}
