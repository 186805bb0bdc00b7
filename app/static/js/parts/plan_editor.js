/** The plan as JSON that may be edited; what is wrong with it stands at its line. */

import { html, useRef } from "../lib.js";
import { lineOf } from "../model/places.js";

/** @typedef {{at: number, text: string}} Fault where in the text, and what is wrong there */

/** @param {{text: string, faults: Fault[], edit: (text: string) => void, disabled: boolean}} props */
export function PlanEditor({ text, faults, edit, disabled }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const gutter = useRef(/** @type {HTMLPreElement | null} */ (null));
  const lines = text.split("\n").length;
  const bad = new Set(faults.map((fault) => lineOf(text, fault.at)));
  const scroll = () => {
    if (gutter.current && area.current) gutter.current.scrollTop = area.current.scrollTop;
  };
  /** @param {number} at */
  const jump = (at) => {
    area.current?.focus();
    area.current?.setSelectionRange(at, at);
    if (area.current) area.current.scrollTop = (lineOf(text, at) - 3) * 20;
  };
  return html`<div class="editor-box">
    ${faults.length > 0 && html`<ul class="faults" role="alert">${faults.map((fault) => html`<li><button type="button"
      class="link" onClick=${() => jump(fault.at)}>Line ${lineOf(text, fault.at)}</button> ${fault.text}</li>`)}</ul>`}
    <div class="editor">
      <pre class="gutter" ref=${gutter} aria-hidden="true">${Array.from({ length: lines }, (_, index) =>
        html`<span class=${bad.has(index + 1) ? "bad" : ""}>${index + 1}${"\n"}</span>`)}</pre>
      <textarea
        ref=${area} aria-label="Plan as JSON" spellcheck="false" autocomplete="off" wrap="off" disabled=${disabled} value=${text}
        aria-invalid=${faults.length > 0} onScroll=${scroll} onInput=${(/** @type {any} */ event) => edit(event.target.value)}
      ></textarea>
    </div>
  </div>`;
}
