/** What a timeline shows of a step's spans, within a range of time, in percent. */

import { duration } from "../format.js";

/** @import { Span, StepView, View } from "./fold.js" */
/** @typedef {{from: number, to: number}} Range */

const TICKS_MAX = 6;
const STEPS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1200e3, 1800e3, 3600e3,
  7200e3, 14400e3, 43200e3, 86400e3,
];
const TITLES = {
  queued: "in the queue", scheduled: "waits for its start", held: "held by a pause", limited: "held by its group's limit",
  backoff: "waits to try again", deferred: "waits for its provider", run: "",
};

/** The time of the last run, or of all of them. @param {View} view @param {boolean} all @param {number} now @returns {Range} */
export function rangeOf(view, all, now) {
  const run = (all ? view.runs[0] : view.runs.at(-1)) ?? { from: view.submitted, to: view.finished };
  const to = view.finished ?? now;
  return { from: run.from, to: Math.max(to, run.from + 1) };
}

/** @param {StepView} step @param {Range} range what is in sight @param {number} [now] until when what has not ended goes on */
export function pieces(step, range, now = range.to) {
  const all = step.spans.flatMap((span) => parts(span, now));
  return all.filter((part) => (part.to > range.from && part.from < range.to) || part.from === range.to).map((part) => {
    const [from, to] = [Math.max(part.from, range.from), Math.min(part.to, range.to)];
    const whole = range.to - range.from;
    return { ...part, from, to, left: (100 * (from - range.from)) / whole, width: (100 * (to - from)) / whole };
  });
}

/** A span as it is drawn; one that outlasts its due time is in the queue from then on.
 * @param {Span} span @param {number} now */
function parts(span, now) {
  const to = span.to ?? now;
  const late = span.to === null && span.until !== undefined && span.until < now;
  const found = [part(span, span.from, late ? (span.until ?? to) : to)];
  if (late) found.push(part({ kind: "queued", from: span.until ?? to, to: null }, span.until ?? to, now));
  return found;
}

/** @param {Span} span @param {number} from @param {number} to */
function part(span, from, to) {
  const took = duration(to - from);
  const kind = span.kind === "limited" ? "held" : span.kind;
  const name = kind === "run" ? `run ${shown(span.outcome ?? "")}` : kind;
  const title = kind === "run" ? `attempt ${span.attempt}: ${span.outcome}, ${took}` : `${TITLES[span.kind]}, ${took}`;
  return { kind, name, title, from, to };
}

/** @param {string} outcome */
const shown = (outcome) => (outcome === "deferred" || outcome === "released" ? "cancelled" : outcome);

/** How long a step ran within a range. @param {StepView} step @param {Range} range */
export function ranMs(step, range) {
  return pieces(step, range).filter((piece) => piece.kind === "run").reduce((sum, piece) => sum + piece.to - piece.from, 0);
}

/** The marks of the axis, how far apart they are, and where the first stands; they count from `origin`.
 * @param {Range} range @param {number} [origin] */
export function ticks({ from, to }, origin = from) {
  const whole = to - from;
  const every = STEPS_MS.find((step) => whole / step <= TICKS_MAX) ?? Math.ceil(whole / TICKS_MAX);
  const found = [];
  const first = Math.ceil((from - origin) / every) * every;
  const at = (/** @type {number} */ ms) => (100 * (ms + origin - from)) / whole;
  for (let ms = first; at(ms) <= 96; ms += every) found.push({ at: at(ms), text: ms ? duration(ms) : "0" });
  return { marks: found, apart: (100 * every) / whole, first: at(first) };
}
