/** One task, live: how it stands, what each step did and when, what it made, and what can be done about it. */

import { useNow } from "../clock.js";
import { ago, count, counted, duration, exact, moment, money } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { ended, stepCounts, tookMs } from "../model/fold.js";
import { TaskLive } from "../model/task_live.js";
import { Badge, CopyButton, Loading, ProblemBox, Tabs, useTitle } from "../parts/basics.js";
import { EventLog } from "../parts/event_log.js";
import { FailureCard } from "../parts/failure.js";
import { useKeptFocus } from "../parts/focus.js";
import { Graph } from "../parts/graph.js";
import { Plan } from "../parts/plan.js";
import { Report } from "../parts/report.js";
import { Actions, SteeringProblem, useSteering } from "../parts/steering.js";
import { StepPanel, Working } from "../parts/step_panel.js";
import { Timeline } from "../parts/timeline.js";
import { href, route, setQuery } from "../router.js";
import { canSubmit } from "../session.js";

/** @import { View } from "../model/fold.js" */

const WORKING_MAX = 4;

/** @param {{taskId: string}} props */
export function Task({ taskId }) {
  const [live, setLive] = useState(/** @type {TaskLive | null} */ (null));
  useEffect(() => {
    const opened = new TaskLive(taskId);
    setLive(opened);
    return () => opened.close();
  }, [taskId]);
  return live ? html`<${Watched} live=${live} />` : html`<${Loading} what="Opening the log" />`;
}

/** @param {{live: TaskLive}} props */
function Watched({ live }) {
  const view = live.shown.value;
  const problem = live.problem.value;
  useTitle(view.task ? `${view.status}: ${view.task.slice(0, 60)}` : "Task");
  const steering = useSteering(live.taskId, () => live.resume());
  useKeptFocus(".task-title");
  const { query } = route.value;
  if (problem) return html`<h1>This task cannot be shown</h1><${ProblemBox} problem=${problem} /><p>
    <a href=${href(["tasks"])}>To the tasks</a></p>`;
  if (!view.seq) return html`<h1>Task</h1><${Reading} reading=${live.reading.value} />`;
  const step = view.steps.get(Number(query.get("step")));
  /** @param {number} id */
  const show = (id) => setQuery({ step: String(id) });
  const close = () => setQuery({ step: "" });
  return html`
    <${Head} view=${view} taskId=${live.taskId} actions=${html`<${Actions} taskId=${live.taskId} view=${view} ...${steering} />`} />
    <${SteeringProblem} problem=${steering.problem} />
    ${view.status === "failed" && !query.get("tab") &&
      html`<${FailureCard} view=${view} show=${show} actions=${html`<${WaysOn} view=${view} ...${steering} />`} />`}
    <${Panels} live=${live} view=${view} query=${query} show=${show} steering=${steering} />
    ${step && html`<${StepPanel} key=${step.id} taskId=${live.taskId} view=${view} step=${step} close=${close} ...${steering} />`}
  `;
}

/** Nothing is said of the task before its log is read: a task that has ended would seem to run. @param {{reading: {seq: number, of: number} | null}} props */
const Reading = ({ reading }) => html`<div class="empty" aria-busy="true"><p role="status">Reading the log …</p>
  ${reading && html`<p class="hint num">${count(reading.seq)} of ${counted(reading.of, "event")}</p>`}</div>`;

/** @param {{view: View, busy: boolean, steer: import("../parts/steering.js").Steer}} props */
function WaysOn({ view, busy, steer }) {
  if (!canSubmit.value) return null;
  const step = view.failedStep;
  return html`
    <button type="button" class="primary" disabled=${busy} onClick=${() => steer("retry")}>Retry what failed</button>
    ${step !== null && html`<button type="button" disabled=${busy}
      onClick=${() => steer("fork", { from_step: step })}>Fork from step ${step}</button>`}
  `;
}

/** @param {{view: View, taskId: string, actions: any}} props */
function Head({ view, taskId, actions }) {
  return html`<header class="task-head">
    <nav class="crumbs" aria-label="Where you are">
      <a href=${href(["tasks"])}>Tasks</a> / <code>${taskId}</code> <${CopyButton} label="Copy id" text=${() => taskId} /></nav>
    <div class="view-head">
      <h1 class="task-title" tabindex="-1">${view.task || "(no words)"}</h1>
      ${actions}
    </div>
    <${Facts} view=${view} />
  </header>`;
}

/** @param {{view: View}} props */
function Facts({ view }) {
  const over = ended(view);
  const now = Math.max(useNow(!over), view.lastTs);
  const { retries, deferrals, redeliveries } = view.counts;
  const done = stepCounts(view).completed ?? 0;
  const tokens = view.llm.inputTokens + view.llm.outputTokens;
  return html`<dl class="facts">
    <div><dt>State</dt><dd><${Badge} status=${view.status} />${view.partial &&
      html` <span class="tag">partial</span>`}${view.cancelMode === "finish" && !over &&
        html` <span class="tag">finishing</span>`}</dd></div>
    <div><dt>${over ? "Took" : "Elapsed"}</dt><dd class="num">${duration(tookMs(view, now))}</dd></div>
    <div><dt>Steps</dt><dd class="num">${count(done)} of ${count(view.steps.size)}</dd></div>
    ${retries > 0 && html`<div><dt>Retries</dt><dd class="num">${count(retries)}</dd></div>`}
    ${redeliveries > 0 && html`<div><dt>Redeliveries</dt><dd class="num">${count(redeliveries)}</dd></div>`}
    ${deferrals > 0 && html`<div><dt>Deferrals</dt><dd class="num">${count(deferrals)}</dd></div>`}
    ${view.sources.size > 0 && html`<div><dt>Sources</dt><dd class="num">${count(view.sources.size)}</dd></div>`}
    ${tokens > 0 && html`<div><dt>Tokens</dt><dd class="num"
      title=${counted(view.llm.calls, "call")}>${count(tokens)}</dd></div>`}
    ${view.llm.usd > 0 && html`<div><dt>Cost</dt><dd class="num">${money(view.llm.usd)}</dd></div>`}
    <div><dt>Submitted</dt><dd><time datetime=${exact(view.submitted)}
      title=${moment(view.submitted)}>${ago(now - view.submitted)}</time></dd></div>
    ${view.notBefore && view.notBefore > now && !over && html`<div><dt>Starts</dt><dd><time datetime=${exact(view.notBefore)}
      title=${moment(view.notBefore)}>in ${duration(view.notBefore - now)}</time></dd></div>`}
    ${view.deadline && !over && html`<div><dt>Deadline</dt><dd>in ${duration(view.deadline - now)}</dd></div>`}
    ${view.reason && html`<div><dt>Reason</dt><dd>${view.reason}</dd></div>`}
    ${Object.keys(view.labels).length > 0 && html`<div><dt>Labels</dt>
      <dd>${Object.entries(view.labels).map(([name, value]) => html`<a class="tag"
        href=${href(["tasks"], { label: `${name}:${value}` })}>${name}:${value}</a> `)}</dd></div>`}
    ${view.parent && html`<div><dt>Forked from</dt><dd><a href=${href(["tasks", view.parent])}>
      <code>${view.parent.slice(-12)}</code></a></dd></div>`}
  </dl>`;
}

/** @param {{live: TaskLive, view: View, query: URLSearchParams, show: (id: number) => void, steering: ReturnType<typeof useSteering>}} props */
function Panels({ live, view, query, show, steering }) {
  const tabs = [
    { id: "overview", title: "Overview" }, { id: "graph", title: "Graph" },
    { id: "events", title: html`Events <span class="chip-count">${count(view.events.length)}</span>` }, { id: "plan", title: "Plan" },
  ];
  const chosen = tabs.find((tab) => tab.id === query.get("tab"))?.id ?? "overview";
  return html`
    <${Tabs} label="About the task" tabs=${tabs} chosen=${chosen} choose=${(/** @type {string} */ tab) =>
      setQuery({ tab: tab === "overview" ? "" : tab }, { push: true })} />
    <div id="panel" role="tabpanel" aria-labelledby="tab-${chosen}">
      ${chosen === "overview" && html`<${Overview} taskId=${live.taskId} shape=${live.shape} view=${view} query=${query} show=${show} />`}
      ${chosen === "graph" && html`<${Graph} steps=${[...view.steps.values()]} shape=${live.shape}
        chosen=${Number(query.get("step"))} choose=${show} ...${hiding(query)} />`}
      ${chosen === "events" && html`<${EventLog} view=${view} version=${live.version} query=${query} />`}
      ${chosen === "plan" && html`<${Plan} view=${view} ...${steering} />`}
    </div>
  `;
}

/** @param {{taskId: string, shape: number, view: View, query: URLSearchParams, show: (id: number) => void}} props */
function Overview({ taskId, shape, view, query, show }) {
  return html`<div class="overview">
    <div class="overview-side">
      <${Timeline} view=${view} shape=${shape} chosen=${Number(query.get("step")) || null} choose=${show}
        all=${query.get("runs") === "all"} setAll=${(/** @type {boolean} */ all) => setQuery({ runs: all ? "all" : "" })}
        ...${hiding(query)} />
      <${Now} view=${view} />
    </div>
    <section class="overview-main" aria-label="Report"><${Report} view=${view} taskId=${taskId} /></section>
  </div>`;
}

/** Whether steps that are finished are left out, as the address has it. @param {URLSearchParams} query */
const hiding = (query) => ({
  hide: query.get("hide") === "finished",
  setHide: (/** @type {boolean} */ hide) => setQuery({ hide: hide ? "finished" : "" }),
});

/** What is being done at this moment. @param {{view: View}} props */
function Now({ view }) {
  const busy = [...view.steps.values()].filter((step) => step.status === "running");
  if (!busy.length) return null;
  return html`<ul class="now" aria-label="Running now">
    <li class="now-title" aria-hidden="true">Running now</li>
    ${busy.slice(0, WORKING_MAX).map((step) => html`<li key=${step.id}>
      <strong>${step.id} ${step.agent}</strong> <${Working} progress=${step.progress ?? { current: 0, total: null, message: "started" }} /></li>`)}
    ${busy.length > WORKING_MAX && html`<li>and ${busy.length - WORKING_MAX} more</li>`}
  </ul>`;
}
