/** The fields of a submission. */

import { size } from "../format.js";
import { html } from "../lib.js";

/** @import { Draft } from "../model/draft.js" */
/** @typedef {(changes: Partial<Draft>) => void} Change */

const FORMATS = [["markdown", "Markdown"], ["html", "HTML page"], ["json", "JSON"]];
const PLANNERS = [["", "as the server is set up"], ["rules", "rules: at once, offline"], ["llm", "language model"]];
const PRIORITIES = Array.from({ length: 10 }, (_, level) => [String(level), `${level}${{ 0: " (first)", 5: " (usual)", 9: " (last)" }[level] ?? ""}`]);

/** The task and what it is about. @param {{draft: Draft, change: Change}} props */
export function Words({ draft, change }) {
  /** @param {any} event */
  const add = async (event) => {
    const files = [...event.target.files];
    const found = await Promise.all(files.map(async (file) => ({ name: file.name, text: await file.text() })));
    const names = new Set(found.map((one) => one.name));
    change({ documents: [...draft.documents.filter((one) => !names.has(one.name)), ...found] });
    event.target.value = "";
  };
  /** @param {string} name */
  const remove = (name) => change({ documents: draft.documents.filter((one) => one.name !== name) });
  return html`
    <label class="field">What do you want to know or have done?
      <textarea rows="4" required value=${draft.task}
        placeholder="Compare how dramatiq, fastapi and redis handle errors and retries"
        onInput=${(/** @type {any} */ event) => change({ task: event.target.value })}></textarea>
    </label>
    <label class="field">Documents
      <input type="file" multiple onChange=${add} />
    </label>
    ${draft.documents.length > 0 && html`<ul class="files">${draft.documents.map(({ name, text }) =>
      html`<li key=${name}><span>${name} <span class="hint">${size(text.length)}</span></span><button type="button"
        class="quiet" aria-label=${`Remove ${name}`} onClick=${() => remove(name)}>✕</button></li>`)}</ul>`}
    <label class="field">Web pages
      <textarea rows="2" value=${draft.urls} placeholder="https://…, one per line"
        onInput=${(/** @type {any} */ event) => change({ urls: event.target.value })}></textarea>
    </label>
    <label class="check"><input type="checkbox" checked=${draft.web}
      onChange=${(/** @type {any} */ event) => change({ web: event.target.checked })} />Search the web as well</label>
  `;
}

/** What is seldom needed. @param {{draft: Draft, change: Change}} props */
export function Options({ draft, change }) {
  /** @param {keyof Draft} name @param {string} label @param {string} placeholder @param {string} [hint] */
  const field = (name, label, placeholder, hint) => html`<label class="field">${label}
    <input value=${draft[name]} placeholder=${placeholder}
      onInput=${(/** @type {any} */ event) => change({ [name]: event.target.value })} />
    ${hint && html`<span class="hint">${hint}</span>`}
  </label>`;
  /** @param {string} label @param {string} value @param {string[][]} all @param {(value: string) => void} choose */
  const choice = (label, value, all, choose) => html`<label class="field">${label}
    <select value=${value} onChange=${(/** @type {any} */ event) => choose(event.target.value)}>
      ${all.map(([id, title]) => html`<option key=${id} value=${id}>${title}</option>`)}
    </select>
  </label>`;
  return html`<details class="options"><summary>Options</summary>
    <div class="fields">
      ${choice("Report as", draft.format, FORMATS, (format) => change({ format }))}
      ${choice("Planned by", draft.planner, PLANNERS, (planner) => change({ planner }))}
      ${choice("Priority", String(draft.priority), PRIORITIES, (level) => change({ priority: Number(level) }))}
      ${field("collection", "Collection", "papers", "A folder that the server is set up with.")}
      ${field("labels", "Labels", "team:search, env:dev")}
      ${field("deadline", "Deadline", "PT10M", "A duration from now, or a time: 2030-05-01T12:00:00Z.")}
      ${field("notBefore", "Not before", "PT1H")}
    </div>
  </details>`;
}
