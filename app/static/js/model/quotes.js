/** Where in a passage its quotes are, whatever white space lies between their words. */

/** @typedef {{text: string, cited: boolean}} Part */

/** The passage in parts. @param {string} text @param {string[]} quotes @returns {Part[]} */
export function marked(text, quotes) {
  const spans = quotes.flatMap((quote) => spanOf(text, quote)).sort((a, b) => a[0] - b[0]);
  /** @type {Part[]} */
  const parts = [];
  let at = 0;
  for (const [from, to] of spans) {
    if (from < at) continue;
    if (from > at) parts.push({ text: text.slice(at, from), cited: false });
    parts.push({ text: text.slice(from, to), cited: true });
    at = to;
  }
  if (at < text.length) parts.push({ text: text.slice(at), cited: false });
  return parts;
}

/** @param {string} text @param {string} quote @returns {[number, number][]} */
function spanOf(text, quote) {
  const words = quote.trim().split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const found = words.length ? new RegExp(words.join("\\s+")).exec(text) : null;
  return found ? [[found.index, found.index + found[0].length]] : [];
}
