/** JSON to read and to copy. */

import { html } from "../lib.js";
import { CopyButton } from "./basics.js";

/** @param {{value: unknown, label: string}} props */
export function Json({ value, label }) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return html`<div class="code-box">
    <pre tabindex="0" aria-label=${label}>${text}</pre>
    <${CopyButton} text=${() => text} />
  </div>`;
}
