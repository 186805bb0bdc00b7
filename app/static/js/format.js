/** Times, sizes and numbers as people read them. */

const NUMBER = new Intl.NumberFormat("en");
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** @param {number} value */
export const count = (value) => NUMBER.format(value);

/** @param {number} value @param {string} one @param {string} [many] */
export const counted = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** How long something took: `431 ms`, `2.4 s`, `3 m 12 s`, `2 h 5 m`. @param {number} ms */
export function duration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return both(minutes, "m", Math.floor((ms % 60_000) / 1000), "s");
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? both(hours, "h", minutes % 60, "m") : both(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** @param {number} large @param {string} unit @param {number} small @param {string} below */
const both = (large, unit, small, below) => `${large} ${unit}${small ? ` ${small} ${below}` : ""}`;

/** @param {number} ms */
export function ago(ms) {
  if (ms < 5_000) return "just now";
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s ago`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ago`;
  return ms < 172_800_000 ? `${Math.floor(ms / 3_600_000)} h ago` : `${Math.floor(ms / 86_400_000)} days ago`;
}

/** @param {number} ts */
export const clock = (ts) => CLOCK.format(ts);
/** @param {number} ts */
export const moment = (ts) => `${DAY.format(ts)}, ${CLOCK.format(ts)}`;
/** @param {number} ts */
export const exact = (ts) => new Date(ts).toISOString();

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/** @param {number} usd */
export const money = (usd) => (usd >= 1 ? `$${usd.toFixed(2)}` : `$${usd.toPrecision(2)}`);

/** The part of a task's id by which people tell them apart. @param {string} taskId */
export const shortId = (taskId) => taskId.slice(-12);
