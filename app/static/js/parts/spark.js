/** A small chart of one series; its numbers are told to readers of screens. */

import { count } from "../format.js";
import { html } from "../lib.js";

const WIDTH = 160;
const HEIGHT = 32;

/** @param {{values: number[], label: string, kind?: "line" | "bars", say?: (value: number) => string}} props */
export function Spark({ values, label, kind = "line", say = count }) {
  const most = Math.max(1, ...values);
  const told = `${label}: now ${say(values.at(-1) ?? 0)}, most ${say(Math.max(0, ...values))}`;
  const x = (/** @type {number} */ index) => (values.length < 2 ? WIDTH : (WIDTH * index) / (values.length - 1));
  const y = (/** @type {number} */ value) => HEIGHT - 2 - ((HEIGHT - 4) * value) / most;
  const line = values.map((value, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const bar = WIDTH / Math.max(1, values.length);
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${told} preserveAspectRatio="none">
    <title>${told}</title>
    ${kind === "line"
      ? values.length > 1 && html`<path class="spark-area" d=${`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
        <path class="spark-line" d=${line} />`
      : values.map((value, index) => value > 0 &&
        html`<rect class="spark-bar" x=${(index * bar).toFixed(1)} y=${y(value).toFixed(1)}
          width=${Math.max(1, bar - 1).toFixed(1)} height=${(HEIGHT - y(value)).toFixed(1)} />`)}
    <path class="spark-base" d="M0 ${HEIGHT - 0.5}H${WIDTH}" />
  </svg>`;
}
