/** What a step left behind, fetched when somebody looks. */

import { call } from "../api.js";
import { html, useState } from "../lib.js";
import { Loading, ProblemBox } from "./basics.js";
import { Json } from "./json.js";
import { useResource } from "./resource.js";

/** @typedef {{step_id: number, summary: string, data: any, text: string | null, media_type: string}} Output */

/** @param {string} taskId @param {number} stepId @returns {import("./resource.js").Resource<Output>} */
export function useOutput(taskId, stepId) {
  const path = `/tasks/${encodeURIComponent(taskId)}/steps/${stepId}/output`;
  return useResource((signal) => call("GET", path, { signal }), [path]);
}

/** @param {{taskId: string, stepId: number}} props */
export function OutputBox({ taskId, stepId }) {
  const [open, setOpen] = useState(false);
  return html`<details onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary>What it left behind</summary>
    ${open && html`<${Shown} taskId=${taskId} stepId=${stepId} />`}
  </details>`;
}

/** @param {{taskId: string, stepId: number}} props */
function Shown({ taskId, stepId }) {
  const { data, problem, reload } = useOutput(taskId, stepId);
  if (problem && !data) return html`<${ProblemBox} problem=${problem} retry=${reload} />`;
  if (!data) return html`<${Loading} />`;
  return html`${data.text !== null && html`<${Json} value=${data.text} label="Text of the step" />`}
    ${data.data !== null && html`<${Json} value=${data.data} label="Data of the step" />`}`;
}
