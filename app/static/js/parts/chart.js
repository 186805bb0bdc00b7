/** A chart of one series over the last hour: how it is now, how high it went, and any moment under the pointer. */

import { clock } from "../format.js";
import { html, useState } from "../lib.js";
import { SPAN_MS } from "../model/history.js";

/** @import { Column } from "../model/history.js" */

const WIDTH = 320;
const HEIGHT = 72;
/** Samples further apart than this leave a gap: nobody sampled between. */
const GAP_MS = 45_000;

/** @param {{title: string, times: number[], values: Column, until: number, say: (value: number) => string, hint?: string}} props */
export function Chart({ title, times, values, until, say, hint }) {
  const [under, setUnder] = useState(/** @type {number | null} */ (null));
  const known = values.filter((value) => value !== null);
  const [top, now] = [Math.max(0, ...known), known.at(-1)];
  const told = `${title}: ${now === undefined ? "unknown" : `now ${say(now)}, most ${say(top)}`} in the last hour`;
  const at = under === null ? null : nearest(times, until - SPAN_MS + under * SPAN_MS);
  /** @param {any} event */
  const move = ({ currentTarget, clientX }) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    setUnder(Math.max(0, Math.min(1, (clientX - left) / width)));
  };
  return html`<figure class="chart-box">
    <figcaption title=${hint}><span class="hint">${title}</span><strong class="num">${at === null
      ? now === undefined ? "–" : say(now) : html`<span class="hint">${clock(times[at])}</span> ${said(values[at], say)}`}</strong></figcaption>
    <div class="chart-plane" onPointerMove=${move} onPointerLeave=${() => setUnder(null)}>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${told} preserveAspectRatio="none">
        <${Curve} times=${times} values=${values} until=${until} top=${top || 1} />
        ${at !== null && html`<path class="chart-cursor" d=${`M${x(times[at], until)} 0V${HEIGHT}`} />`}
        <path class="spark-base" d="M0 ${HEIGHT - 0.5}H${WIDTH}" />
      </svg>
      ${top > 0 && html`<span class="chart-top num" aria-hidden="true">${say(top)}</span>`}
    </div>
    <div class="chart-times num" aria-hidden="true"><span>${clock(until - SPAN_MS).slice(0, 5)}</span><span>${clock(until).slice(0, 5)}</span></div>
  </figure>`;
}

/** @param {number | null} value @param {(value: number) => string} say */
const said = (value, say) => (value === null ? "–" : say(value));

/** @param {number} at @param {number} until */
const x = (at, until) => ((WIDTH * (at - until + SPAN_MS)) / SPAN_MS).toFixed(1);

/** @param {{times: number[], values: Column, until: number, top: number}} props */
function Curve({ times, values, until, top }) {
  const y = (/** @type {number} */ value) => (HEIGHT - 2 - ((HEIGHT - 14) * value) / top).toFixed(1);
  return runs(times, values).map((run) => {
    const points = run.map((index) => `${x(times[index], until)} ${y(/** @type {number} */ (values[index]))}`).join("L");
    const [first, last] = [x(times[run[0]], until), x(times[run[run.length - 1]], until)];
    return html`<path class="spark-area" d=${`M${first} ${HEIGHT}L${points}L${last} ${HEIGHT}Z`} />
      <path class="spark-line" d=${`M${points}${run.length === 1 ? "h1" : ""}`} />`;
  });
}

/** Samples that follow each other without a gap, by their places. @param {number[]} times @param {Column} values */
function runs(times, values) {
  /** @type {number[][]} */
  const found = [];
  let before = -Infinity;
  times.forEach((at, index) => {
    if (values[index] === null) return;
    if (at - before > GAP_MS) found.push([]);
    found[found.length - 1].push(index);
    before = at;
  });
  return found;
}

/** @param {number[]} times @param {number} wanted @returns {number | null} */
function nearest(times, wanted) {
  let found = /** @type {number | null} */ (null);
  times.forEach((at, index) => {
    if (found === null || Math.abs(at - wanted) < Math.abs(times[found] - wanted)) found = index;
  });
  return found;
}
