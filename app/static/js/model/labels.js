/** The labels that have been seen on tasks, to choose from. */

/** @typedef {{labels: Record<string, string>}} Labelled */

const SEEN_MAX = 200;

export class SeenLabels {
  constructor() {
    /** From the one seen longest ago to the newest. @type {Set<string>} */
    this.seen = new Set();
  }

  /** @param {Labelled[]} tasks */
  see(tasks) {
    for (const { labels } of tasks) {
      for (const [name, value] of Object.entries(labels)) {
        this.seen.delete(`${name}:${value}`);
        this.seen.add(`${name}:${value}`);
      }
    }
    for (const old of this.seen) if (this.seen.size > SEEN_MAX) this.seen.delete(old);
  }

  /** In the order of the alphabet. */
  get all() {
    return [...this.seen].sort((a, b) => a.localeCompare(b));
  }

  /** @param {string} label */
  has(label) {
    return this.seen.has(label);
  }
}
