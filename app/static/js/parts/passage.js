/** A source of a report: the passage as the retriever found it, with the words in it that are cited. */

import { html } from "../lib.js";
import { marked } from "../model/quotes.js";
import { Dialog, Loading } from "./basics.js";
import { useOutput } from "./output.js";

/** @typedef {{number: number, pid: string, title: string, uri: string, heading?: string, quotes?: {line?: number, quote: string}[]}} Source */

/** @param {{source: Source, taskId: string, foundBy: number | undefined, close: () => void}} props */
export function Passage({ source, taskId, foundBy, close }) {
  return html`<${Dialog} title=${`Source ${source.number}`} close=${close}>
    <p class="source-title">${source.title}</p>
    <p class="hint"><${Uri} uri=${String(source.uri ?? "")} />${source.heading ? ` · ${source.heading}` : ""}</p>
    ${foundBy === undefined ? html`<${Quotes} source=${source} />`
      : html`<${Found} source=${source} taskId=${taskId} stepId=${foundBy} />`}
  <//>`;
}

/** @param {{source: Source, taskId: string, stepId: number}} props */
function Found({ source, taskId, stepId }) {
  const { data, problem } = useOutput(taskId, stepId);
  if (!data && !problem) return html`<${Loading} what="Opening the passage" />`;
  const passages = Array.isArray(data?.data?.passages) ? data.data.passages : [];
  const text = passages.find((/** @type {any} */ one) => one?.pid === source.pid)?.text;
  if (typeof text !== "string") return html`<${Quotes} source=${source} />`;
  const quotes = (source.quotes ?? []).map(({ quote }) => quote);
  return html`<div class="passage" tabindex="0" role="region" aria-label="Passage">
    ${marked(text, quotes).map(({ text: part, cited }) => (cited ? html`<mark>${part}</mark>` : part))}
  </div>`;
}

/** @param {{source: Source}} props */
const Quotes = ({ source }) => html`${(source.quotes ?? []).map(
  ({ line, quote }) => html`<blockquote class="quote"><p>${quote}</p>${line !== undefined &&
    html`<footer>line ${line}</footer>`}</blockquote>`,
)}`;

/** @param {{uri: string}} props */
const Uri = ({ uri }) => (/^https?:/i.test(uri) ?
  html`<a href=${uri} target="_blank" rel="noopener noreferrer nofollow">${uri}</a>` : html`${uri}`);
