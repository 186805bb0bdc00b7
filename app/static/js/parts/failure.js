/** Why a task failed and what can be done: every attempt's error, what the step was given, and the ways on. */

import { clock, duration } from "../format.js";
import { html } from "../lib.js";
import { Json } from "./json.js";

/** @import { StepView, View } from "../model/fold.js" */

/** @param {{view: View, actions: any, show: (id: number) => void}} props */
export function FailureCard({ view, actions, show }) {
  const step = view.failedStep === null ? undefined : view.steps.get(view.failedStep);
  return html`<section class="failure" aria-label="Failure">
    <div class="failure-head">
      <div>
        <h2>${step ? html`Step ${step.id}, ${step.agent}, failed` : "The task failed"}</h2>
        <p class="failure-text">${view.error?.message}</p>
        <p class="hint">${view.error?.type} · <code>${view.error?.code}</code></p>
      </div>
      <div class="actions">${actions}</div>
    </div>
    ${step && html`<${Attempts} step=${step} />
      <details><summary>What the step was given</summary><${Json} value=${step.payload} label="Input of the step" /></details>
      <button type="button" class="link" onClick=${() => show(step.id)}>All about step ${step.id}</button>`}
  </section>`;
}

/** @param {{step: StepView}} props */
export function Attempts({ step }) {
  if (!step.attempts.length) return html`<p class="hint">It was never started.</p>`;
  return html`<div class="table-box" tabindex="0" role="region" aria-label="Attempts"><table class="list small">
    <thead><tr><th scope="col" class="fit">Attempt</th><th scope="col" class="fit wide">Started</th><th scope="col"
      class="fit num">Ran</th><th scope="col" class="fit">Outcome</th><th scope="col">What it said</th><th scope="col"
        class="fit wide">Worker</th></tr></thead>
    <tbody>${step.attempts.map(
      (attempt) => html`<tr key=${attempt.number}>
        <td class="fit num">${attempt.number}</td><td class="fit num wide">${clock(attempt.started)}</td>
        <td class="fit num">${attempt.ended === null ? "–" : duration(attempt.ended - attempt.started)}</td>
        <td class="fit"><span class="outcome ${attempt.outcome}">${attempt.outcome}</span></td>
        <td class="say">${attempt.error ?
          html`<code>${attempt.error.code}</code> ${attempt.error.message}` : attempt.outcome === "lost" ? "Its worker went silent; the step was delivered again." : attempt.summary}</td>
        <td class="fit wide"><code>${attempt.worker}</code></td>
      </tr>`,
    )}</tbody>
  </table></div>`;
}
