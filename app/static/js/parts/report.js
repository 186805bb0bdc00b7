/** What the task made: the text while it is written, then the result; citations open what they cite. */

import { call } from "../api.js";
import { counted } from "../format.js";
import { html, useState } from "../lib.js";
import { CopyButton, Empty, Loading, ProblemBox } from "./basics.js";
import { Json } from "./json.js";
import { Markdown } from "./markdown.js";
import { Passage } from "./passage.js";
import { useResource } from "./resource.js";

/** @import { Artifact, View } from "../model/fold.js" */
/** @import { Output } from "./output.js" */
/** @import { Source } from "./passage.js" */

/** @param {{view: View, taskId: string}} props */
export function Report({ view, taskId }) {
  if (view.status === "completed") return html`<${Result} key=${view.finished} view=${view} taskId=${taskId} />`;
  const written = [...view.artifacts.values()];
  if (!written.length) return html`<${Empty} title=${waiting(view)} />`;
  return html`${written.map((artifact) => html`<${Draft} key=${artifact.name} artifact=${artifact} status=${view.status} />`)}`;
}

/** @type {Record<string, string>} */
const OVER = { failed: "The task failed", cancelled: "The task was cancelled", expired: "The task expired" };

/** @param {View} view */
function waiting(view) {
  if (view.finished) return `${OVER[view.status]} before it came to a report.`;
  return view.started ? "Nothing is written yet; text appears here as it is made." : "The task has not begun.";
}

/** @param {{artifact: Artifact, status: string}} props */
const Draft = ({ artifact, status }) => html`<article class="paper ${!artifact.done && status === "running" ? "writing" : ""}">
  <${Markdown} text=${artifact.text} />
</article>`;

/** @param {{view: View, taskId: string}} props */
function Result({ view, taskId }) {
  const path = `/tasks/${encodeURIComponent(taskId)}/result`;
  const headers = { Accept: "application/json" };
  const { data, problem, reload } = useResource((signal) => call("GET", path, { signal, headers }), [path]);
  const [source, setSource] = useState(/** @type {Source | null} */ (null));
  if (problem && !data) return html`<${ProblemBox} problem=${problem} retry=${reload} />`;
  if (!data) return html`<${Loading} what="Fetching the result" />`;
  const outputs = /** @type {Output[]} */ (data.outputs);
  return html`
    ${view.partial && html`<p class="notice">Ended early: made of what had been gathered by then.</p>`}
    ${outputs.length === 0 && html`<${Empty} title="The task made no output." />`}
    ${outputs.map((output) => html`<${Made} key=${output.step_id} output=${output} view=${view} open=${setSource} />`)}
    ${source && html`<${Passage} source=${source} taskId=${taskId} foundBy=${view.sources.get(source.pid)?.step} close=${() => setSource(null)} />`}
  `;
}

/** @param {{output: Output, view: View, open: (source: Source) => void}} props */
function Made({ output, view, open }) {
  const sources = new Map(sourcesOf(output).map((source) => [source.number, source]));
  /** @param {number} number */
  const cite = (number) => {
    const source = sources.get(number);
    return source && html`<button type="button" class="cite" aria-label=${`Source ${number}: ${source.title}`}
      onClick=${() => open(source)}>${number}</button>`;
  };
  const { total, ok, dropped } = view.citations;
  if (output.text === null) {
    return html`<article class="paper"><p>${output.summary || `Step ${output.step_id} left no text.`}</p>
      ${output.data !== null && html`<${Json} value=${output.data} label=${`Data of step ${output.step_id}`} />`}</article>`;
  }
  return html`<article class="paper">
    <div class="paper-tools">
      ${total > 0 && html`<span class="hint">${counted(ok, "citation")} checked${dropped ? `, ${dropped} dropped` : ""}</span>`}
      <${CopyButton} label="Copy the text" text=${() => output.text ?? ""} />
      <button type="button" class="quiet" onClick=${() => download(output)}>Download</button>
    </div>
    ${output.media_type.startsWith("text/markdown") ? html`<${Markdown} text=${output.text} cite=${cite} />`
      : html`<pre class="raw" tabindex="0">${output.text}</pre>`}
  </article>`;
}

/** What a step calls its sources is its business; only what looks like them is taken. @param {Output} output @returns {Source[]} */
function sourcesOf(output) {
  const found = output.data?.sources;
  return Array.isArray(found) ? found.filter((one) => Number.isInteger(one?.number) && typeof one?.title === "string") : [];
}

const SUFFIXES = /** @type {Record<string, string>} */ ({ "text/html": "html", "application/json": "json", "text/csv": "csv", "text/plain": "txt" });

/** The text as a file, made here: a link could not send the key. @param {Output} output */
function download({ step_id: stepId, text, media_type: type }) {
  const address = URL.createObjectURL(new Blob([text ?? ""], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `report-${stepId}.${SUFFIXES[type.split(";", 1)[0]] ?? "md"}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
