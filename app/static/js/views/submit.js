/** Hand a task in: its words, what comes with it, and the plan that would be run, before it runs. */

import { call, Problem } from "../api.js";
import { counted, shortId } from "../format.js";
import { html, useEffect, useMemo, useState } from "../lib.js";
import { bodyOf, brief, draftOf, EMPTY } from "../model/draft.js";
import { faultsOf, read } from "../model/places.js";
import { curl, python } from "../model/snippets.js";
import { CopyButton, Empty, Loading, ProblemBox, Tabs, useTitle } from "../parts/basics.js";
import { Graph } from "../parts/graph.js";
import { PlanEditor } from "../parts/plan_editor.js";
import { Options, Words } from "../parts/submit_form.js";
import { unknown } from "../parts/resource.js";
import { go, href, route } from "../router.js";
import { key } from "../session.js";

/** @import { Draft } from "../model/draft.js" */
/**
 * @typedef {{steps: any[], text: string, planner: string, problem: Problem | null,
 *   faults: {at: number, text: string}[], busy: boolean}} Preview `planner` is who made the plan
 */

const REST_MS = 500;
const NOTHING = /** @type {Preview} */ ({ steps: [], text: "", planner: "", problem: null, faults: [], busy: false });

/** A new task; with `again` in the address one that begins as another was. */
export function Submit() {
  useTitle("New task");
  const from = route.value.query.get("again") ?? "";
  return from ? html`<${Again} key=${from} taskId=${from} />` : html`<${Form} key="" begin=${EMPTY} />`;
}

/** @param {{taskId: string}} props */
function Again({ taskId }) {
  const [found, setFound] = useState({ draft: /** @type {Draft | null} */ (null), said: "", problem: /** @type {Problem | null} */ (null) });
  useEffect(() => {
    const abort = new AbortController();
    asked(taskId, abort.signal).then(
      ({ body, said }) => setFound({ draft: draftOf(body), said, problem: null }),
      (error) => abort.signal.aborted || setFound({ draft: EMPTY, said: "", problem: error instanceof Problem ? error : unknown(error) }),
    );
    return () => abort.abort();
  }, [taskId]);
  if (!found.draft) return html`<h1>New task</h1><${Loading} what="Reading what was asked" />`;
  return html`<${Form} begin=${found.draft} note=${found.problem ? html`<${ProblemBox} problem=${found.problem} />` : html`<p class="notice">
    Filled in as for <a href=${href(["tasks", taskId])}>task <code>${shortId(taskId)}</code></a>${found.draft.concurrency ? ", with its limit of concurrency" : ""}. ${found.said}</p>`} />`;
}

/** What the task was asked; without its documents if they are no longer kept. @param {string} taskId @param {AbortSignal} signal */
async function asked(taskId, signal) {
  const path = `/tasks/${encodeURIComponent(taskId)}/request`;
  const times = "A deadline or a start that it had is not taken over.";
  try {
    return { body: await call("GET", path, { signal }), said: times };
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 409) throw error;
    return { body: await call("GET", `${path}?documents=false`, { signal }), said: `${error.message} Choose them again. ${times}` };
  }
}

/** @param {{begin: Draft, note?: any}} props */
function Form({ begin, note = null }) {
  const [draft, setDraft] = useState(begin);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [busy, setBusy] = useState(false);
  /** @param {Partial<Draft>} changes */
  const change = (changes) => setDraft((before) => ({ ...before, ...changes }));
  const preview = usePreview(draft);
  const edited = draft.plan === null ? undefined : read(draft.plan).value;
  const body = bodyOf(draft, edited);
  const ready = draft.task.trim() !== "" && preview.faults.length === 0;
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      // Under a key of its own, so that a second click, or a lost answer, makes no second task.
      const headers = { "Idempotency-Key": idempotencyKey(body) };
      const accepted = await call("POST", "/run-task", { body, headers });
      go(["tasks", accepted.task_id]);
    } catch (error) {
      setProblem(/** @type {Problem} */ (error));
      setBusy(false);
    }
  };
  return html`
    <div class="view-head"><h1>New task</h1></div>
    ${note}
    <div class="submit">
      <form class="submit-form" onSubmit=${submit}>
        <${Words} draft=${draft} change=${change} />
        <${Options} draft=${draft} change=${change} />
        ${problem && html`<${ProblemBox} problem=${problem} />`}
        <div class="actions">
          <${CopyButton} label="Copy as curl" text=${() => curl(location.origin, body, key.value !== "")} />
          <${CopyButton} label="Copy as Python" text=${() => python(location.origin, body)} />
          <button type="submit" class="primary" disabled=${busy || !ready}>${busy ? "Submitting …" : "Submit"}</button>
        </div>
      </form>
      <${PlanSide} draft=${draft} change=${change} preview=${preview} />
    </div>
  `;
}

let sent = { text: "", key: "" };

/** The same as long as the body is. @param {unknown} body */
function idempotencyKey(body) {
  const text = JSON.stringify(body);
  if (sent.text !== text) sent = { text, key: `dashboard-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16)).join("")}` };
  return sent.key;
}

/**
 * The plan as the server would make it, or what it says of the one that was edited; asked for as the writing rests. A
 * language model, which costs, is asked once and then only when somebody wants it.
 * @param {Draft} draft @returns {Preview & {again: () => void, byHand: boolean}}
 */
function usePreview(draft) {
  const [state, setState] = useState(NOTHING);
  const [turn, setTurn] = useState(0);
  const byHand = draft.plan === null && (draft.planner === "llm" || (draft.planner === "" && state.planner === "llm"));
  useEffect(() => {
    if (byHand && turn === 0) return;
    setTurn(0);
    const abort = new AbortController();
    const timer = setTimeout(() => void ask(draft, abort.signal, setState), turn ? 0 : REST_MS);
    return () => {
      if (turn) return;
      clearTimeout(timer);
      abort.abort();
    };
  }, [draft.task, draft.plan, draft.planner, turn]);
  return { ...state, again: () => setTurn((before) => before + 1), byHand };
}

/** @param {Draft} draft @param {AbortSignal} signal @param {(change: (before: Preview) => Preview) => void} set */
async function ask(draft, signal, set) {
  const text = draft.plan;
  const found = text === null ? null : read(text);
  if (found?.error) return set((before) => ({ ...before, faults: [{ at: found.at, text: found.error }], problem: null }));
  if (!draft.task.trim()) return set(() => NOTHING);
  set((before) => ({ ...before, busy: true }));
  try {
    // Without the documents: a plan is made of the words alone.
    const plan = await call("POST", "/plan", { body: bodyOf({ ...EMPTY, task: draft.task, planner: draft.planner }, found?.value), signal });
    set(() => ({ ...NOTHING, steps: plan.steps, planner: plan.planner, text: JSON.stringify(plan.steps.map(brief), null, 2) }));
  } catch (error) {
    if (!(error instanceof Problem)) return;
    const faults = found && text !== null ? faultsOf(error, found.places) : [];
    set((before) => ({ ...before, busy: false, problem: faults.length ? null : error, faults }));
  }
}

/** What a step is asked, in words. @param {any} step */
const aboutOf = ({ payload }) => (typeof payload === "string" ? payload : (payload?.text ?? JSON.stringify(payload)));

/** @param {{draft: Draft, change: (changes: Partial<Draft>) => void, preview: ReturnType<typeof usePreview>}} props */
function PlanSide({ draft, change, preview }) {
  const [tab, setTab] = useState("graph");
  const tabs = [{ id: "graph", title: "Graph" }, { id: "json", title: "JSON" }];
  const steps = useMemo(() => preview.steps.map((step) => ({ id: step.step_id, agent: step.agent, deps: step.depends_on, about: aboutOf(step) })), [preview.steps]);
  const text = draft.plan ?? preview.text;
  return html`<section class="submit-plan" aria-label="Plan" aria-busy=${preview.busy}>
    <div class="plan-head">
      <h2>Plan</h2>
      <span class="hint" role="status">${draft.plan !== null ? "edited" : steps.length ? counted(steps.length, "step") : ""}</span>
      ${draft.plan !== null && html`<button type="button" class="quiet"
        onClick=${() => change({ plan: null })}>Let the server plan</button>`}
    </div>
    <${Tabs} label="Plan as" tabs=${tabs} chosen=${tab} choose=${setTab} />
    <div id="panel" role="tabpanel" aria-labelledby="tab-${tab}">
      ${preview.byHand && html`<${ByHand} preview=${preview} ready=${draft.task.trim() !== ""} />`}
      ${preview.problem && html`<${ProblemBox} problem=${preview.problem} />`}
      ${preview.faults.length > 0 && tab === "graph" &&
        html`<p class="notice">The edited plan has errors; they stand beside the JSON.</p>`}
      ${tab === "graph" && (steps.length ? html`<${Graph} steps=${steps}
        shape=${preview.steps} />` : !preview.byHand && html`<${Empty} title="The plan appears here as you write." />`)}
      ${tab === "graph" && steps.length > 0 && html`<${Reasons} steps=${preview.steps} />`}
      ${tab === "json" && html`<${PlanEditor} text=${text} faults=${preview.faults} disabled=${!text}
        edit=${(/** @type {string} */ plan) => change({ plan })} />`}
    </div>
  </section>`;
}

/** @param {{steps: any[]}} props */
const Reasons = ({ steps }) => html`<details><summary>Why each step is there</summary>
  <ol class="reasons">${steps.map((step) => html`<li key=${step.step_id} value=${step.step_id}>
    <strong>${step.agent}</strong> ${step.reason ?? ""}</li>`)}</ol>
</details>`;

/** @param {{preview: ReturnType<typeof usePreview>, ready: boolean}} props */
const ByHand = ({ preview, ready }) => html`<div class="notice by-hand">
  <span>A language model plans this, and plans anew when the task is submitted; edit the plan to keep it.</span>
  <button type="button" disabled=${preview.busy || !ready}
    onClick=${preview.again}>${preview.busy ? "Planning …" : "Ask for a plan"}</button>
</div>`;
