/** All about one step: why it is there, what it was given, each attempt, what it came to. */

import { counted } from "../format.js";
import { html } from "../lib.js";
import { ended } from "../model/fold.js";
import { href, route, setQuery } from "../router.js";
import { canSubmit } from "../session.js";
import { Badge, Dialog } from "./basics.js";
import { Attempts } from "./failure.js";
import { Json } from "./json.js";
import { OutputBox } from "./output.js";

/** @import { StepView, View } from "../model/fold.js" */
/** @import { Steer } from "./steering.js" */

const AFTER = /** @type {Record<string, string>} */ ({
  fail: "the task fails", skip: "what depends on it is skipped", continue: "what depends on it runs without it",
});

/** @param {{taskId: string, view: View, step: StepView, busy: boolean, steer: Steer, close: () => void}} props */
export function StepPanel({ taskId, view, step, busy, steer, close }) {
  const over = ended(view);
  const sources = [...view.sources.values()].filter((source) => source.step === step.id);
  const log = href(route.value.path, { tab: "events", of: String(step.id) });
  return html`<${Dialog} title=${`Step ${step.id}: ${step.agent}`} close=${close} wide=${true}>
    <p class="step-head"><${Badge} status=${step.status} /> ${step.cached &&
      html`<span class="tag">result taken over</span>`} ${step.added &&
        html`<span class="tag">added while it ran</span>`} <span>${step.summary || step.note}</span></p>
    ${step.progress && step.status === "running" && html`<${Working} progress=${step.progress} />`}
    ${step.error && html`<p class="failure-text">${step.error.message}</p>`}
    ${step.reason && html`<p>${step.reason}</p>`}
    <p class="hint">${step.deps.length ? html`Waits for ${step.deps.map((id, index) =>
      html`${index ? ", " : ""}<button type="button" class="link" onClick=${() =>
        setQuery({ step: String(id) })}>step ${id}</button>`)}. ` : "Waits for nothing. "}If it fails, ${AFTER[step.onFailure] ?? step.onFailure}.</p>
    <h3>Attempts</h3>
    <${Attempts} step=${step} />
    <h3>Input</h3>
    <${Json} value=${step.payload} label="Input of the step" />
    ${step.status === "completed" && html`<${OutputBox} taskId=${taskId} stepId=${step.id} />`}
    ${sources.length > 0 && html`<h3>${counted(sources.length, "source")} found</h3>
      <ul class="sources">${sources.map((source) =>
        html`<li key=${source.pid}>${source.title} <span class="hint">${source.uri}</span></li>`)}</ul>`}
    <div class="actions">
      <a class="button" href=${log}>Its events</a>
      ${canSubmit.value && over && view.status !== "completed" && html`<button type="button" class="primary"
        disabled=${busy} onClick=${() => { close(); void steer("retry", { from_step: step.id }); }}>Retry from here</button>`}
      ${canSubmit.value && over && html`<button type="button" disabled=${busy}
        onClick=${() => { close(); void steer("fork", { from_step: step.id }); }}>Fork from here</button>`}
    </div>
  <//>`;
}

/** @param {{progress: {current: number, total: number | null, message: string}}} props */
export function Working({ progress: { current, total, message } }) {
  const done = total ? Math.min(100, (100 * current) / total) : 0;
  return html`<div class="working">
    ${total ? html`<span class="bar" aria-hidden="true"><span class="fill tone-running" style=${{ width: `${done}%` }}>
      </span></span>` : null}
    <span>${message}${total ? html` <span class="faint num">${current}/${total}</span>` : ""}</span>
  </div>`;
}
