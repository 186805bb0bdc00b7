/** The plan of a task as JSON; of one that has ended it may be edited and run as a fork, which keeps what is the same. */

import { counted } from "../format.js";
import { html, useState } from "../lib.js";
import { ended } from "../model/fold.js";
import { faultsOf, read } from "../model/places.js";
import { canSubmit } from "../session.js";
import { Empty } from "./basics.js";
import { Json } from "./json.js";
import { PlanEditor } from "./plan_editor.js";

/** @import { Problem } from "../api.js" */
/** @import { View } from "../model/fold.js" */
/** @import { Steer } from "./steering.js" */

/** @param {{view: View, busy: boolean, problem: Problem | null, steer: Steer}} props */
export function Plan({ view, busy, problem, steer }) {
  const [text, setText] = useState(/** @type {string | null} */ (null));
  const steps = [...view.steps.values()].map(stepOf);
  if (!steps.length) return html`<${Empty} title="There is no plan." />`;
  const may = canSubmit.value && ended(view);
  return html`<div class="plan-head">
      <p class="hint">${counted(steps.length, "step")}, planned by ${view.planner}${view.counts.rev > 1 ? `, extended ${counted(view.counts.rev - 1, "time")}` : ""}.</p>
      ${may && text === null && html`<button type="button"
        onClick=${() => setText(JSON.stringify(steps, null, 2))}>Edit and fork …</button>`}
    </div>
    ${view.fallback && html`<p class="notice">${view.fallback}</p>`}
    ${text === null ? html`<${Json} value=${steps} label="Plan as JSON" />` : html`<${Edited} text=${text}
      edit=${setText} busy=${busy} problem=${problem} steer=${steer} />`}`;
}

/** @param {{text: string, edit: (text: string | null) => void, busy: boolean, problem: Problem | null, steer: Steer}} props */
function Edited({ text, edit, busy, problem, steer }) {
  const { value, places, error, at } = read(text);
  const faults = error ? [{ at, text: error }] : problem ? faultsOf(problem, places) : [];
  return html`<p class="hint">A new task: steps that stay the same keep their results, all others run.</p>
    <${PlanEditor} text=${text} faults=${faults} edit=${edit} disabled=${false} />
    <div class="actions">
      <button type="button" onClick=${() => edit(null)}>Leave it as it is</button>
      <button type="button" class="primary" disabled=${busy || error !== ""}
        onClick=${() => steer("fork", { plan: value })}>Run as a fork</button>
    </div>`;
}

/** A step as a plan has it. @param {import("../model/fold.js").StepView} step */
const stepOf = ({ plan, deps }) => ({ ...plan, depends_on: deps });
