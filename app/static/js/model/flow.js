/** How work flows through queues while somebody watches: what ended per moment, how long it waited and ran. */

/** @import { TaskEvent } from "./fold.js" */

export const SLOT_MS = 5_000;
export const SLOTS = 60;
const SAMPLES_MAX = 500;
const ENDS = new Set(["step.completed", "step.failed", "step.retry_scheduled"]);

export class Flow {
  constructor() {
    this.since = 0;
    this.ended = /** @type {Map<number, number>} */ (new Map());
    this.waits = /** @type {number[]} */ ([]);
    this.runs = /** @type {number[]} */ ([]);
    this.backlog = /** @type {number[]} */ ([]);
  }

  /** @param {TaskEvent} event */
  add({ type, ts, data }) {
    if (type === "step.started") push(this.waits, data.queue_wait_ms);
    if (type === "step.completed" && !data.cached) push(this.runs, data.duration_ms);
    if (!ENDS.has(type)) return;
    const slot = Math.floor(ts / SLOT_MS);
    this.ended.set(slot, (this.ended.get(slot) ?? 0) + 1);
    for (const old of this.ended.keys()) if (old < slot - SLOTS) this.ended.delete(old);
  }

  /** @param {number} waiting */
  sample(waiting) {
    this.backlog.push(waiting);
    if (this.backlog.length > SLOTS) this.backlog.shift();
  }

  /** Steps that ended per slot, the newest last. @param {number} now */
  series(now) {
    const last = Math.floor(now / SLOT_MS);
    return Array.from({ length: SLOTS }, (_, index) => this.ended.get(last - SLOTS + 1 + index) ?? 0);
  }

  /** Per second, over the last minute or since somebody watches. @param {number} now @param {number} since */
  rate(now, since) {
    const span = Math.max(SLOT_MS, Math.min(60_000, now - since));
    const slots = Math.ceil(span / SLOT_MS);
    const found = this.series(now).slice(-slots);
    return found.reduce((sum, one) => sum + one, 0) / (span / 1000);
  }
}

/** @param {number[]} samples @param {number} value */
function push(samples, value) {
  samples.push(value);
  if (samples.length > SAMPLES_MAX) samples.shift();
}

/** @param {number[]} samples @param {number} share @returns {number | null} */
export function quantile(samples, share) {
  if (!samples.length) return null;
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
