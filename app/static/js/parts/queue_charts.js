/** The last hour of one queue, or of all together. */

import { count, duration } from "../format.js";
import { html } from "../lib.js";
import { most, sum } from "../model/history.js";
import { href } from "../router.js";
import { Chart } from "./chart.js";

/** @import { History, Measure } from "../model/history.js" */

/** @param {number} value */
export const perSecond = (value) => `${value < 10 ? value.toFixed(1) : count(Math.round(value))}/s`;

/** @param {number} value */
const age = (value) => (value ? duration(value) : "–");

/** @type {{measure: Measure, title: string, together: (some: number[]) => number, say: (value: number) => string, hint: string}[]} */
const CHARTS = [
  { measure: "waiting", title: "Waiting", together: sum, say: count, hint: "Messages that no worker has taken" },
  { measure: "in_flight", title: "In flight", together: sum, say: count, hint: "Messages that a worker holds" },
  { measure: "ended_per_s", title: "Throughput", together: sum, say: perSecond, hint: "Attempts that came to an end, per second" },
  { measure: "oldest_age_ms", title: "Oldest waiting", together: most, say: age, hint: "Age of the oldest message that waits" },
  { measure: "wait_p95_ms", title: "Wait, p95", together: most, say: duration, hint: "95 % of the attempts had waited no longer" },
  { measure: "run_p95_ms", title: "Run, p95", together: most, say: duration, hint: "95 % of the steps ran no longer" },
];

/** @param {{history: History, queue: string, until: number, last: number}} props `last` changes with each sample */
export function QueueCharts({ history, queue, until }) {
  if (history.times.length < 2) return html`<p class="hint">Charts begin with the second sample, ten seconds after the first API process.</p>`;
  return html`<section aria-label=${queue ? `The last hour of ${queue}` : "The last hour of all queues"} class="card">
    <header class="card-head"><h2>${queue || "All queues"}</h2>
      <span class="hint">the last hour${queue ? "" : "; ages and times are those of the slowest queue"}</span>
      ${queue && html`<a class="button" href=${href(["queues"])}>All queues</a>`}</header>
    <div class="charts">${CHARTS.map(({ measure, title, together, say, hint }) => html`<${Chart} key=${measure} title=${title}
      times=${history.times} until=${until} say=${say} hint=${hint}
      values=${queue ? history.of(queue, measure) : history.all(measure, together)} />`)}</div>
  </section>`;
}
