/** Steps over time: one bar per attempt, and what lay between them: queues, pauses, delays; it can be zoomed. */

import { useNow } from "../clock.js";
import { duration } from "../format.js";
import { html, useMemo, useRef, useState } from "../lib.js";
import { ended } from "../model/fold.js";
import { inOrder, unfinished } from "../model/layout.js";
import { pieces, ranMs, rangeOf, ticks } from "../model/spans.js";
import { moved, within, zoomed } from "../model/zoom.js";
import { StatusIcon } from "./basics.js";
import { onKey, useGestures, ZoomButtons } from "./gestures.js";
import { Virtual } from "./virtual.js";

/** @import { StepView, View } from "../model/fold.js" */
/** @import { Range } from "../model/spans.js" */

const ROW = 34;
const HEIGHT_MAX = 17 * ROW;
const LEGEND = [
  ["run completed", "ran"], ["run running", "runs"], ["run retrying", "failed, tried again"], ["run failed", "failed"],
  ["run lost", "worker lost"], ["queued", "in the queue"], ["scheduled", "starts later"], ["backoff", "waits to try again"],
  ["deferred", "provider busy"], ["held", "held"],
];

/**
 * @param {{view: View, chosen: number | null, choose: (id: number) => void, shape: unknown, all: boolean,
 *   setAll: (all: boolean) => void, hide: boolean, setHide: (hide: boolean) => void}} props
 */
export function Timeline({ view, chosen, choose, shape, all, setAll, hide, setHide }) {
  const now = useNow(!ended(view));
  const whole = rangeOf(view, all, Math.max(now, view.lastTs));
  const ordered = useMemo(() => inOrder([...view.steps.values()]), [shape]);
  const steps = hide ? unfinished(ordered) : ordered;
  const { box, range, ...zoom } = useWindow(whole);
  const { marks, apart, first } = ticks(range, whole.from);
  const seen = new Set(steps.flatMap((step) => pieces(step, range, whole.to).map((piece) => piece.name)));
  const grid = { "--tick": `${apart}%`, "--tick-from": `${apart < 100 ? (100 * first) / (100 - apart) : first}%` };
  return html`<section ref=${box} class="timeline ${steps.length * ROW > HEIGHT_MAX ? "scrolls" : ""} ${zoom.whole ? "" : "zoomed"}"
    aria-label="Timeline" style=${grid} onKeyDown=${(/** @type {KeyboardEvent} */ event) => onKey(event, zoom)}>
    <div class="picture-tools">
      <button type="button" class="quiet" aria-pressed=${hide} onClick=${() => setHide(!hide)}>Hide finished</button>
      ${view.runs.length > 1 && html`<button type="button" class="quiet" aria-pressed=${all}
        onClick=${() => setAll(!all)}>All ${view.runs.length} runs</button>`}
      <${ZoomButtons} by=${zoom.by} fit=${zoom.fit} whole=${zoom.whole} text=${duration(range.to - range.from)} />
    </div>
    <div class="timeline-head">
      <span class="timeline-name">Step</span>
      <div class="axis" aria-hidden="true">${marks.map(({ at, text }) =>
        html`<span style=${{ left: `${at}%` }}>${text}</span>`)}</div>
      <span class="timeline-took">Ran</span>
    </div>
    <${Virtual}
      label=${`${steps.length} steps over ${duration(range.to - range.from)}`} count=${steps.length} rowHeight=${ROW}
      heightMax=${HEIGHT_MAX} row=${(/** @type {number} */ index) =>
        html`<${Row} key=${steps[index].id} step=${steps[index]} range=${range} whole=${whole}
          chosen=${steps[index].id === chosen} choose=${choose} />`}
    />
    ${steps.length === 0 && html`<p class="hint none">All steps are finished.</p>`}
    <div class="timeline-foot">
      <ul class="legend" aria-label="Legend">
        ${LEGEND.filter(([name]) => seen.has(name)).map(([name, text]) => html`<li><span class="key ${name}"
          aria-hidden="true"></span>${text}</li>`)}
      </ul>
    </div>
  </section>`;
}

/** The part of the time that is in sight, and what changes it. @param {Range} whole */
function useWindow(whole) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [chosen, setChosen] = useState(/** @type {Range | null} */ (null));
  const range = chosen ? within(chosen, whole) : whole;
  const track = () => box.current?.querySelector(".axis")?.getBoundingClientRect() ?? { left: 0, width: 1 };
  /** @param {number} factor @param {number} x */
  const zoom = (factor, x) => {
    const { left, width } = track();
    setChosen(zoomed(chosen, whole, factor, Math.min(1, Math.max(0, (x - left) / width))));
  };
  const by = (/** @type {number} */ factor) => setChosen(zoomed(chosen, whole, factor));
  const pan = (/** @type {number} */ share) => setChosen(moved(chosen, whole, share));
  const fit = () => setChosen(null);
  useGestures(box, { zoom, pan: (dx) => pan(-dx / track().width), fit, drag: chosen ? "all" : "none" });
  return { box, range, whole: chosen === null, by, fit, pan: chosen ? pan : undefined };
}

/** @param {{step: StepView, range: Range, whole: Range, chosen: boolean, choose: (id: number) => void}} props */
function Row({ step, range, whole, chosen, choose }) {
  const shown = pieces(step, range, whole.to);
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
      <span class="timeline-took num">${tried ? duration(ranMs(step, whole)) : step.cached ? "kept" : "–"}</span>
    </button>
  </div>`;
}
