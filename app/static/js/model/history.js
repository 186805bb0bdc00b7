/** What queues held during the last hour, as the server sampled it: numbers in columns, a time for each row. */

/** @typedef {"waiting" | "in_flight" | "oldest_age_ms" | "ended_per_s" | "wait_p95_ms" | "run_p95_ms"} Measure */
/** @typedef {(number | null)[]} Column null where nothing is known */
/** @typedef {{name: string} & Record<Measure, Column>} Series */
/** @typedef {{interval_ms: number, times_ms: number[], queues: Series[]}} Samples */

export const SPAN_MS = 3_600_000;
/** @type {Measure[]} */
const MEASURES = ["waiting", "in_flight", "oldest_age_ms", "ended_per_s", "wait_p95_ms", "run_p95_ms"];

export class History {
  constructor() {
    this.times = /** @type {number[]} */ ([]);
    this.queues = /** @type {Map<string, Record<Measure, Column>>} */ (new Map());
  }

  /** The time of the newest sample, 0 without any. */
  get last() {
    return this.times.at(-1) ?? 0;
  }

  /** Takes the samples that follow those it has, and forgets what is older than an hour. @param {Samples} samples */
  add({ times_ms: times, queues }) {
    if (!times.length || times[0] <= this.last) return;
    for (const { name } of queues) if (!this.queues.has(name)) this.queues.set(name, empty(this.times.length));
    const found = new Map(queues.map((queue) => [queue.name, queue]));
    for (const [name, columns] of this.queues) {
      for (const measure of MEASURES) columns[measure].push(...(found.get(name)?.[measure] ?? times.map(() => null)));
    }
    this.times.push(...times);
    this.forget(this.times.findIndex((at) => at > this.last - SPAN_MS));
  }

  /** @param {number} many */
  forget(many) {
    if (!many) return;
    this.times.splice(0, many);
    for (const columns of this.queues.values()) for (const measure of MEASURES) columns[measure].splice(0, many);
  }

  /** One number of a queue, time by time. @param {string} name @param {Measure} measure @returns {Column} */
  of(name, measure) {
    return this.queues.get(name)?.[measure] ?? this.times.map(() => null);
  }

  /** What all queues together come to. @param {Measure} measure @param {(some: number[]) => number} together @returns {Column} */
  all(measure, together) {
    const columns = [...this.queues.values()].map((queue) => queue[measure]);
    return this.times.map((_, index) => {
      const some = columns.map((column) => column[index]).filter((value) => value !== null);
      return some.length ? together(some) : null;
    });
  }
}

/** @param {number} length @returns {Record<Measure, Column>} */
const empty = (length) =>
  /** @type {Record<Measure, Column>} */ (Object.fromEntries(MEASURES.map((measure) => [measure, Array(length).fill(null)])));

/** @param {number[]} some */
export const sum = (some) => some.reduce((total, one) => total + one, 0);
/** @param {number[]} some */
export const most = (some) => Math.max(...some);

/**
 * So many equal pieces of the last hour, each with the most that it had.
 * @param {number[]} times @param {Column} values @param {number} until @param {number} pieces @returns {Column}
 */
export function pieces(times, values, until, pieces) {
  const found = /** @type {Column} */ (Array(pieces).fill(null));
  times.forEach((at, index) => {
    const place = Math.floor(((at - until + SPAN_MS) / SPAN_MS) * pieces);
    const value = values[index];
    if (value !== null && place >= 0 && place < pieces) found[place] = Math.max(value, found[place] ?? 0);
  });
  return found;
}
