/** How work flows through a queue while somebody watches: what ended per moment, how long it waited and ran. */

/** @import { TaskEvent } from "./fold.js" */
/** @typedef {{ended: number, waits: number[], runs: number[]}} Slot */

export const SLOT_MS = 5_000;
export const SLOTS = 60;
const SAMPLES_MAX = 200;
const ENDS = new Set(["step.completed", "step.failed", "step.retry_scheduled"]);

export class Flow {
  constructor() {
    this.slots = /** @type {Map<number, Slot>} */ (new Map());
  }

  /** @param {TaskEvent} event */
  add({ type, ts, data }) {
    // What a fork took over did not run.
    if (data.cached) return;
    const slot = this.slotOf(Math.floor(ts / SLOT_MS));
    if (type === "step.started") keep(slot.waits, data.queue_wait_ms);
    if (type === "step.completed") keep(slot.runs, data.duration_ms);
    if (ENDS.has(type)) slot.ended += 1;
  }

  /** @param {number} number @returns {Slot} */
  slotOf(number) {
    const found = this.slots.get(number) ?? { ended: 0, waits: [], runs: [] };
    if (!this.slots.has(number)) {
      this.slots.set(number, found);
      for (const old of this.slots.keys()) if (old < number - SLOTS) this.slots.delete(old);
    }
    return found;
  }

  /** A number per slot, the newest last. @param {number} now @param {(slot: Slot) => number} value */
  series(now, value) {
    const last = Math.floor(now / SLOT_MS);
    return Array.from({ length: SLOTS }, (_, index) => {
      const slot = this.slots.get(last - SLOTS + 1 + index);
      return slot ? value(slot) : 0;
    });
  }

  /** Steps that ended per second, over the last minute or since somebody watches. @param {number} now @param {number} since */
  rate(now, since) {
    const span = Math.max(SLOT_MS, Math.min(60_000, now - since));
    const found = this.series(now, (slot) => slot.ended).slice(-Math.ceil(span / SLOT_MS));
    return found.reduce((sum, one) => sum + one, 0) / (span / 1000);
  }

  /** All samples that are kept. @param {"waits" | "runs"} kind */
  samples(kind) {
    return [...this.slots.values()].flatMap((slot) => slot[kind]);
  }
}

/** @param {number[]} samples @param {number} value */
function keep(samples, value) {
  if (samples.length < SAMPLES_MAX) samples.push(value);
}

/** @param {number[]} samples @param {number} share @returns {number | null} */
export function quantile(samples, share) {
  if (!samples.length) return null;
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
