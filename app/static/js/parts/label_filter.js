/** Narrows the list to a label: one of those that tasks here have had, or any other as name:value. */

import { html, useLayoutEffect, useRef, useState } from "../lib.js";
import { SeenLabels } from "../model/labels.js";
import { setQuery } from "../router.js";

/** @import { Labelled } from "../model/labels.js" */

/** Of all pages of the list that this tab has shown. */
const seen = new SeenLabels();

/** @param {{query: URLSearchParams, tasks: Labelled[]}} props */
export function LabelFilter({ query, tasks }) {
  const label = query.get("label") ?? "";
  const [text, setText] = useState("");
  const element = useRef(/** @type {any} */ (null));
  const acted = useRef(false);
  seen.see(tasks);
  useLayoutEffect(() => {
    // The keyboard stays where it was, though field and tag take each other's place.
    if (acted.current) element.current?.focus();
    acted.current = false;
  }, [label]);
  /** @param {string} value */
  const use = (value) => {
    if (value === label) return;
    acted.current = true;
    setText("");
    setQuery({ label: value, cursor: "" });
  };
  /** @param {any} event */
  const onInput = ({ target, inputType }) => {
    setText(target.value);
    // A choice from the list is used at once; who types or deletes goes on until Enter.
    if ((!inputType || inputType === "insertReplacementText") && seen.has(target.value)) use(target.value);
  };
  /** @param {any} event */
  const onKeyDown = (event) => {
    if (event.key !== "Enter") return;
    // The tag that comes has the focus, and would be pressed by the same key.
    event.preventDefault();
    use(event.target.value.trim());
  };
  if (label) return html`<button type="button" class="tag" ref=${element} onClick=${() => use("")}
    aria-label=${`Remove the filter ${label}`}>${label} ✕</button>`;
  return html`<input type="search" ref=${element} list="labels" placeholder="name:value" title="Filter by a label" aria-label="Filter by a label, as name:value"
      maxlength="200" value=${text} onInput=${onInput} onKeyDown=${onKeyDown} />
    <datalist id="labels">${seen.all.map((one) => html`<option key=${one} value=${one} />`)}</datalist>`;
}
