/** What one may do to a task, each with the words for it and the request behind it. */

import { call } from "../api.js";
import { html, useState } from "../lib.js";
import { ended } from "../model/fold.js";
import { go, href } from "../router.js";
import { canSubmit } from "../session.js";
import { Dialog, ProblemBox } from "./basics.js";

/** @import { Problem } from "../api.js" */
/** @import { View } from "../model/fold.js" */
/** @typedef {(verb: string, body?: object) => Promise<any>} Steer */

const MODES = [
  { id: "graceful", title: "Stop", text: "Nothing starts any more; running steps are interrupted within a second." },
  { id: "finish", title: "Finish now", text: "Gathering ends; the report is written from what there is." },
  { id: "force", title: "End at once", text: "It is cancelled now; whatever a worker still brings is refused." },
];

/** The requests of a task's buttons, one at a time, and what became of the last.
 * @param {string} taskId @param {() => void} done what follows a request that worked */
export function useSteering(taskId, done) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  /** @param {string} verb @param {object} [body] */
  const steer = async (verb, body = {}) => {
    setBusy(true);
    setProblem(null);
    try {
      const [method, path] = verb === "delete" ? ["DELETE", ""] : ["POST", `/${verb}`];
      const found = await call(method, `/tasks/${encodeURIComponent(taskId)}${path}`, method === "POST" ? { body } : {});
      if (verb === "fork") go(["tasks", found.task_id]);
      else if (verb === "delete") go(["tasks"]);
      else done();
    } catch (error) {
      setProblem(/** @type {Problem} */ (error));
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, steer };
}

/** @param {{taskId: string, view: View, busy: boolean, steer: Steer}} props */
export function Actions({ taskId, view, busy, steer }) {
  const [asking, setAsking] = useState("");
  if (!canSubmit.value || !view.seq) return null;
  const over = ended(view);
  return html`<div class="actions">
    <a class="button" href=${href(["submit"], { again: taskId })}>Submit again …</a>
    ${!over && view.status === "paused" && html`<button type="button" disabled=${busy}
      onClick=${() => steer("resume")}>Resume</button>`}
    ${!over && ["queued", "running"].includes(view.status) && html`<button type="button" disabled=${busy}
      onClick=${() => steer("pause")}>Pause</button>`}
    ${!over && html`<button type="button" class="danger" disabled=${busy} onClick=${() => setAsking("cancel")}>Cancel …</button>`}
    ${["cancelled", "expired"].includes(view.status) && html`<button type="button" class="primary" disabled=${busy}
      onClick=${() => steer("retry")}>Retry</button>`}
    ${over && html`<button type="button" class="danger" disabled=${busy} onClick=${() => setAsking("delete")}>Delete …</button>`}
    ${asking === "cancel" && html`<${Cancel} busy=${busy} steer=${steer} close=${() => setAsking("")} />`}
    ${asking === "delete" && html`<${Delete} busy=${busy} steer=${steer} close=${() => setAsking("")} />`}
  </div>`;
}

/** @param {{busy: boolean, steer: Steer, close: () => void}} props */
function Cancel({ busy, steer, close }) {
  const [mode, setMode] = useState("graceful");
  const [reason, setReason] = useState("");
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    await steer("cancel", reason ? { mode, reason } : { mode });
    close();
  };
  return html`<${Dialog} title="End the task early" close=${close}>
    <form onSubmit=${submit}>
      <fieldset class="choice">
        <legend class="hidden">How</legend>
        ${MODES.map(({ id, title, text }) => html`<label key=${id}>
          <input type="radio" name="mode" checked=${mode === id} onChange=${() => setMode(id)} /><span>
            <strong>${title}</strong><br />${text}</span></label>`)}
      </fieldset>
      <label class="field">Reason, for the log (optional)
        <input maxlength="300" value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.target.value)} />
      </label>
      <div class="actions"><button type="submit" class="danger"
        disabled=${busy}>${MODES.find((one) => one.id === mode)?.title}</button></div>
    </form>
  <//>`;
}

/** @param {{busy: boolean, steer: Steer, close: () => void}} props */
const Delete = ({ busy, steer, close }) => html`<${Dialog} title="Delete the task" close=${close}>
  <p>Its state, its events and its results are gone for good.</p>
  <div class="actions">
    <button type="button" onClick=${close}>Keep it</button>
    <button type="button" class="danger" disabled=${busy} onClick=${() => steer("delete")}>Delete</button>
  </div>
<//>`;

/** @param {{problem: Problem | null}} props */
export const SteeringProblem = ({ problem }) => problem && html`<${ProblemBox} problem=${problem} />`;
