/** Steps over time: one bar per attempt, and what lay between them: queues, pauses, delays. */

import { useNow } from "../clock.js";
import { duration } from "../format.js";
import { html, useMemo } from "../lib.js";
import { ended } from "../model/fold.js";
import { inOrder } from "../model/layout.js";
import { pieces, rangeOf, ticks } from "../model/spans.js";
import { StatusIcon } from "./basics.js";
import { Virtual } from "./virtual.js";

/** @import { StepView, View } from "../model/fold.js" */
/** @import { Range } from "../model/spans.js" */

const ROW = 34;
const HEIGHT_MAX = 17 * ROW;
const LEGEND = [
  ["run completed", "ran"], ["run running", "runs"], ["run retrying", "failed, tried again"], ["run failed", "failed"],
  ["run lost", "worker lost"], ["queued", "in the queue"], ["backoff", "waits to try again"], ["deferred", "provider busy"],
  ["held", "held"],
];

/** @param {{view: View, chosen: number | null, choose: (id: number) => void, shape: unknown, all: boolean, setAll: (all: boolean) => void}} props */
export function Timeline({ view, chosen, choose, shape, all, setAll }) {
  const now = useNow(!ended(view));
  const range = rangeOf(view, all, Math.max(now, view.lastTs));
  const steps = useMemo(() => inOrder([...view.steps.values()]), [shape]);
  const { marks, apart } = ticks(range);
  const seen = new Set(steps.flatMap((step) => pieces(step, range).map((piece) => piece.name)));
  return html`<section class="timeline ${steps.length * ROW > HEIGHT_MAX ? "scrolls" : ""}"
    aria-label="Timeline" style=${{ "--tick": `${apart}%` }}>
    <div class="timeline-head">
      <span class="timeline-name">Step</span>
      <div class="axis" aria-hidden="true">${marks.map(({ at, text }) =>
        html`<span style=${{ left: `${at}%` }}>${text}</span>`)}</div>
      <span class="timeline-took">Ran</span>
    </div>
    <${Virtual}
      label=${`${steps.length} steps over ${duration(range.to - range.from)}`} count=${steps.length} rowHeight=${ROW}
      heightMax=${HEIGHT_MAX} row=${(/** @type {number} */ index) =>
        html`<${Row} key=${steps[index].id} step=${steps[index]} range=${range} chosen=${steps[index].id === chosen}
          choose=${choose} />`}
    />
    <div class="timeline-foot">
      <ul class="legend" aria-label="Legend">
        ${LEGEND.filter(([name]) => seen.has(name)).map(([name, text]) => html`<li><span class="key ${name}"
          aria-hidden="true"></span>${text}</li>`)}
      </ul>
      ${view.runs.length > 1 &&
      html`<button type="button" class="quiet"
        onClick=${() => setAll(!all)}>${all ? "Only the last run" : `All ${view.runs.length} runs`}</button>`}
    </div>
  </section>`;
}

/** @param {{step: StepView, range: Range, chosen: boolean, choose: (id: number) => void}} props */
function Row({ step, range, chosen, choose }) {
  const shown = pieces(step, range);
  const ran = shown.filter((piece) => piece.kind === "run").reduce((sum, piece) => sum + piece.to - piece.from, 0);
  const tried = step.attempts.length;
  return html`<div role="listitem" class="timeline-item" style=${{ height: `${ROW}px` }}>
    <button type="button" class="timeline-row" aria-pressed=${chosen} onClick=${() => choose(step.id)}>
      <span class="timeline-name">
        <${StatusIcon} status=${step.status} /><span class="step-id">${step.id}</span>
        <span class="step-agent">${step.agent}</span>
        ${tried > 1 && html`<span class="tries" title=${`${tried} attempts`}>×${tried}</span>`}
        <span class="hidden">${step.status}</span>
      </span>
      <span class="track">
        ${shown.map((piece) => html`<span class="span ${piece.name}"
          title=${piece.title} style=${{ left: `${piece.left}%`, width: `${piece.width}%` }}></span>`)}
      </span>
      <span class="timeline-took num">${tried ? duration(ran) : step.cached ? "kept" : "–"}</span>
    </button>
  </div>`;
}
