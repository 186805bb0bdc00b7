/** Retry, cancel or delete all tasks that match the filter of the list: asked with their number, done in the open. */

import { call, Problem } from "../api.js";
import { count, counted, shortId } from "../format.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { ACTIONS, after, begun, bodyOf, filterOf, numberOf, refusals, stateFor } from "../model/bulk.js";
import { href } from "../router.js";
import { canSubmit } from "../session.js";
import { Dialog, Loading, ProblemBox } from "./basics.js";
import { unknown } from "./resource.js";

/** @import { Action, Progress } from "../model/bulk.js" */
/** @typedef {Record<string, any>} Counts `GET /tasks/counts` */

const TRIES_MAX = 5;
const TOLD_MAX = 5;

/** The actions that the filter allows and that have tasks to act on. @param {{query: URLSearchParams, counts: Counts | null, done: () => void}} props */
export function BulkActions({ query, counts, done }) {
  const [asked, setAsked] = useState(/** @type {Action | null} */ (null));
  const narrowed = ["status", "label", "q", "created_after"].some((name) => query.get(name));
  const possible = ACTIONS.filter((action) => numberOf(counts, stateFor(action, query)) > 0);
  const close = () => {
    setAsked(null);
    done();
  };
  if (!canSubmit.value || !narrowed || (!possible.length && !asked)) return null;
  return html`<div class="bulk" role="group" aria-label="All that match">
    <span class="hint">All that match:</span>
    ${possible.map((action) => {
      const state = stateFor(action, query);
      const number = `${count(numberOf(counts, state))}${counts?.complete ? "" : "+"}`;
      return html`<button key=${action.verb} type="button" class=${action.verb === "retry" ? "" : "danger"}
        onClick=${() => setAsked(action)}>${action.title} ${number}${state === query.get("status") ? "" : ` ${state}`} …</button>`;
    })}
    ${asked && html`<${Deed} action=${asked} state=${stateFor(asked, query)} query=${query} close=${close} />`}
  </div>`;
}

/** @param {{action: Action, state: string, query: URLSearchParams, close: () => void}} props */
function Deed({ action, state, query, close }) {
  const [reason, setReason] = useState("");
  // The filter as it was when it was asked about, whatever becomes of the address behind the dialog.
  const [fixed] = useState({ state, query });
  const total = useTotal(fixed.query, fixed.state);
  const run = useRun(() => bodyOf(action.verb, fixed.state, fixed.query, reason));
  const tasks = total.number === null ? "" : `${total.more ? "more than " : ""}${counted(total.number, "task")}`;
  return html`<${Dialog} title=${`${action.title} tasks`} close=${close}>
    ${total.problem && html`<${ProblemBox} problem=${total.problem} />`}
    ${total.number === null && !total.problem && html`<${Loading} what="Counting" />`}
    ${total.number !== null && html`<p><strong>${tasks}</strong> match: ${filterOf(fixed.state, fixed.query)}.</p>`}
    ${!run.started && html`<p class="hint">${action.hint} Tasks that come meanwhile are left alone.</p>`}
    ${!run.started && action.verb === "cancel" && html`<label class="field">Reason, for their logs (optional)
      <input maxlength="300" value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.target.value)} /></label>`}
    ${run.started && html`<${Course} action=${action} run=${run} total=${total.number ?? 0} />`}
    <div class="actions">
      <button type="button" onClick=${run.busy ? run.stop : close}>${run.busy ? "Stop" : run.progress.over ? "Close" : "Leave them"}</button>
      ${!run.progress.over && html`<button type="button" class=${action.verb === "retry" ? "primary" : "danger"}
        disabled=${run.busy || !total.number} onClick=${run.go}>${run.started ? "Go on" : `${action.title} ${tasks}`}</button>`}
    </div>
  <//>`;
}

/** How many match, counted as the dialog opens. @param {URLSearchParams} query @param {string} state */
function useTotal(query, state) {
  const [found, setFound] = useState({ number: /** @type {number | null} */ (null), more: false, problem: /** @type {Problem | null} */ (null) });
  useEffect(() => {
    const abort = new AbortController();
    call("GET", `/tasks/counts?${countsQuery(query)}`, { signal: abort.signal }).then(
      (counts) => setFound({ number: numberOf(counts, state), more: !counts.complete, problem: null }),
      (error) => abort.signal.aborted || setFound({ number: null, more: false, problem: error instanceof Problem ? error : unknown(error) }),
    );
    return () => abort.abort();
  }, []);
  return found;
}

/** The filter without what a count has no use for. @param {URLSearchParams} query */
export function countsQuery(query) {
  const asked = new URLSearchParams(query);
  for (const name of ["status", "cursor", "limit"]) asked.delete(name);
  return asked.toString();
}

/** Calls again and again until nothing is left, somebody stops it, or the dialog goes. @param {() => object} body */
function useRun(body) {
  const [progress, setProgress] = useState(begun);
  const [busy, setBusy] = useState(false);
  const [started, setStarted] = useState(false);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const stopped = useRef(false);
  useEffect(() => () => void (stopped.current = true), []);
  const go = async () => {
    stopped.current = false;
    setStarted(true);
    setBusy(true);
    setProblem(null);
    let at = progress;
    try {
      while (!at.over && !stopped.current) {
        at = after(at, await insistent({ ...body(), ...(at.cursor ? { cursor: at.cursor } : {}) }));
        setProgress(at);
      }
    } catch (error) {
      setProblem(error instanceof Problem ? error : unknown(error));
    }
    setBusy(false);
  };
  return { progress, busy, started, problem, go, stop: () => void (stopped.current = true) };
}

/** The same call again while the server is busy: what it has done no longer matches. @param {object} body */
async function insistent(body) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call("POST", "/tasks/bulk", { body });
    } catch (error) {
      if (!(error instanceof Problem) || !error.passing || tries >= TRIES_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.max(500 * tries, error.retryAfterMs)));
    }
  }
}

/** @param {{action: Action, run: ReturnType<typeof useRun>, total: number}} props */
function Course({ action, run: { progress, busy, problem }, total }) {
  const not = refusals(progress);
  const reached = progress.done + not;
  const share = progress.over ? 100 : Math.min(100, total ? (100 * reached) / total : 0);
  const words = `${counted(progress.done, "task")} ${action.done}${not ? `, ${count(not)} not` : ""}`;
  return html`<div class="course">
    <span class="bar" aria-hidden="true"><span class="fill tone-running" style=${{ width: `${share}%` }}></span></span>
    <p role="status">${busy ? `${count(reached)} of ${count(Math.max(total, reached))} …` : `${words}.`}</p>
    ${problem && html`<${ProblemBox} problem=${problem} />`}
    ${!busy && !progress.over && !problem && html`<p class="hint">Stopped. The others are as they were.</p>`}
    ${busy && html`<p class="hint">If this tab is closed now, the rest stays as it is; it may be begun anew.</p>`}
    ${not > 0 && html`<${Refused} refused=${progress.refused} />`}
  </div>`;
}

/** @param {{refused: Progress["refused"]}} props */
const Refused = ({ refused }) => html`<ul class="refused">${[...refused].map(([why, ids]) => html`<li key=${why}>
  <strong>${counted(ids.length, "task")}</strong>: ${why}
  <div class="sub">${ids.slice(0, TOLD_MAX).map((id) => html`<a href=${href(["tasks", id])}><code>${shortId(id)}</code></a>`)}
    ${ids.length > TOLD_MAX && html`<span>and ${count(ids.length - TOLD_MAX)} more</span>`}</div></li>`)}</ul>`;
