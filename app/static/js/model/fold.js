/**
 * The fold: the events of a task, in their order, make the view of it. Pure; nothing here knows of a page.
 *
 * A view is changed in place, because a log may have ten thousand events and each costs what it changes. An event that
 * has been seen is passed over; one that leaves a gap is refused, so that what is shown is always exactly 1..n.
 */

import { STEP_EVENTS } from "./fold_steps.js";

/**
 * @typedef {{v: 1, seq: number, type: string, ts: number, task_id: string, step_id?: number, agent?: string,
 *   attempt?: number, worker?: string, trace?: string, data: any}} TaskEvent
 * @typedef {{type: string, code: string, message: string}} ErrorInfo
 * @typedef {"queued" | "scheduled" | "held" | "limited" | "backoff" | "deferred" | "run"} SpanKind
 * @typedef {{kind: SpanKind, from: number, to: number | null, until?: number, attempt?: number, outcome?: string}} Span
 * @typedef {{number: number, started: number, ended: number | null, outcome: string, worker: string, delivery: number,
 *   error: ErrorInfo | null, summary: string}} Attempt
 * @typedef {{id: number, agent: string, plan: Record<string, any>, payload: any, reason: string, deps: number[], onFailure: string,
 *   status: string, attempts: Attempt[], spans: Span[], progress: any, summary: string, error: ErrorInfo | null,
 *   cached: boolean, note: string, added: boolean, calls: number, tokens: number}} StepView
 * @typedef {{name: string, step: number, attempt: number, text: string, mediaType: string, done: boolean}} Artifact
 * @typedef {ReturnType<typeof newView>} View
 */

export const TERMINAL = new Set(["completed", "failed", "cancelled", "expired"]);

export function newView() {
  return {
    seq: 0, status: "queued", task: "", priority: 5, planner: "", fallback: "", partial: false, cancelMode: "",
    labels: /** @type {Record<string, string>} */ ({}), parent: /** @type {string | null} */ (null),
    deadline: /** @type {number | null} */ (null), notBefore: /** @type {number | null} */ (null),
    submitted: 0, lastTs: 0, started: /** @type {number | null} */ (null), finished: /** @type {number | null} */ (null),
    error: /** @type {ErrorInfo | null} */ (null), failedStep: /** @type {number | null} */ (null), reason: "",
    steps: /** @type {Map<number, StepView>} */ (new Map()),
    events: /** @type {TaskEvent[]} */ ([]),
    artifacts: /** @type {Map<string, Artifact>} */ (new Map()),
    sources: /** @type {Map<string, any>} */ (new Map()),
    citations: { total: 0, ok: 0, repaired: 0, dropped: 0 },
    llm: { calls: 0, inputTokens: 0, outputTokens: 0, usd: 0 },
    counts: { retries: 0, deferrals: 0, redeliveries: 0, rev: 0 },
    runs: /** @type {{from: number, to: number | null}[]} */ ([]),
    truncated: false,
  };
}

/** Whether the event was the next one, and is in the view now. @param {View} view @param {TaskEvent} event */
export function apply(view, event) {
  if (event.seq !== view.seq + 1) return false;
  view.seq = event.seq;
  view.lastTs = event.ts;
  view.events.push(event);
  const step = event.step_id === undefined ? undefined : stepOf(view, event.step_id, event.agent ?? "");
  if (step) STEP_EVENTS[event.type]?.(step, event, view);
  TASK_EVENTS[event.type]?.(view, event);
  const run = view.runs.at(-1);
  if (run) run.to = view.finished;
  return true;
}

/** Whether the task has ended, as far as is known. @param {View} view */
export const ended = (view) => TERMINAL.has(view.status);

/** How long it has been under way: what lay between an end and a retry does not count. @param {View} view @param {number} now */
export const tookMs = (view, now) => view.runs.reduce((sum, { from, to }) => sum + (to ?? now) - from, 0);

/** How many steps are in each state. @param {View} view */
export function stepCounts(view) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const step of view.steps.values()) counts[step.status] = (counts[step.status] ?? 0) + 1;
  return counts;
}

/** Attempts that failed, were lost or were handed back, as {step, attempt}. @param {View} view */
export function troubles(view) {
  return [...view.steps.values()].flatMap((step) =>
    step.attempts.filter((attempt) => attempt.error || attempt.outcome === "lost").map((attempt) => ({ step, attempt })),
  );
}

/** @param {View} view @param {number} id @param {string} agent @returns {StepView} */
function stepOf(view, id, agent) {
  let step = view.steps.get(id);
  if (!step) view.steps.set(id, (step = newStep({ step_id: id, agent })));
  return step;
}

/** @param {any} plan @param {boolean} [added] @returns {StepView} */
function newStep(plan, added = false) {
  return {
    id: plan.step_id, agent: plan.agent, plan, payload: plan.payload ?? null, reason: plan.reason ?? "",
    deps: [...(plan.depends_on ?? [])], onFailure: plan.on_failure ?? "fail", status: "waiting", attempts: [],
    spans: [], progress: null, summary: "", error: null, cached: false, note: "", added, calls: 0, tokens: 0,
  };
}

/** @type {Record<string, (view: View, event: TaskEvent) => void>} */
const TASK_EVENTS = {
  "task.submitted"(view, { ts, data }) {
    Object.assign(view, {
      task: data.task, priority: data.priority, labels: data.labels ?? {}, parent: data.parent_task_id,
      deadline: data.deadline_ms, notBefore: data.not_before_ms, submitted: ts, runs: [{ from: ts, to: null }],
    });
  },
  "plan.created"(view, { data }) {
    view.planner = data.planner;
    view.counts.rev = data.rev;
    for (const plan of data.steps) view.steps.set(plan.step_id, newStep(plan));
  },
  "plan.fallback"(view, { data }) {
    view.fallback = `${data.planner} planned instead of ${data.instead_of}: ${data.reason}`;
  },
  "llm.usage"(view, { step_id: id, data }) {
    // What nobody knows is null: tokens that a server does not count, the cost of a model without a price.
    const [read, written] = [data.input_tokens ?? 0, data.output_tokens ?? 0];
    const step = id === undefined ? undefined : view.steps.get(id);
    if (step) Object.assign(step, { calls: step.calls + 1, tokens: step.tokens + read + written });
    view.llm.calls += 1;
    view.llm.inputTokens += read;
    view.llm.outputTokens += written;
    view.llm.usd += data.usd ?? 0;
  },
  "plan.extended"(view, { data }) {
    view.counts.rev = data.rev;
    extend(view, data.parent, data.steps.map((/** @type {any} */ plan) => newStep(plan, true)));
  },
  "task.started"(view, { ts }) {
    if (view.started === null) view.started = ts;
    if (view.status === "queued") view.status = "running";
  },
  "task.paused"(view, { data }) {
    view.status = "paused";
    view.reason = data.reason ?? "";
  },
  "task.resumed": (view) => goOn(view),
  "task.cancel_requested"(view, { data }) {
    view.cancelMode = data.mode;
    view.reason = data.reason ?? "";
    if (data.mode !== "finish") view.status = "cancelling";
    else if (view.status === "paused") goOn(view);
  },
  "task.retried"(view, { ts, data }) {
    Object.assign(view, { finished: null, error: null, failedStep: null, cancelMode: "", reason: "", partial: false });
    view.runs.push({ from: ts, to: null });
    goOn(view);
    for (const id of data.steps) again(view.steps.get(id));
  },
  "task.completed"(view, { ts, data }) {
    Object.assign(view, { status: "completed", finished: ts, partial: data.partial });
  },
  "task.failed"(view, { ts, data }) {
    Object.assign(view, { status: "failed", finished: ts, error: data.error, failedStep: data.failed_step });
  },
  "task.cancelled"(view, { ts, data }) {
    Object.assign(view, { status: "cancelled", finished: ts, reason: data.reason ?? view.reason });
  },
  "task.expired"(view, { ts, data }) {
    Object.assign(view, { status: "expired", finished: ts, reason: data.reason });
  },
  "events.truncated"(view) {
    view.truncated = true;
  },
};

/** @param {View} view */
function goOn(view) {
  view.status = view.started === null ? "queued" : "running";
  view.reason = "";
}

/** What depended on the parent waits for those of the new steps that nothing new waits for.
 * @param {View} view @param {number} parent @param {StepView[]} added */
function extend(view, parent, added) {
  const needed = new Set(added.flatMap((step) => step.deps));
  const last = added.filter((step) => !needed.has(step.id)).map((step) => step.id);
  for (const step of view.steps.values()) if (step.deps.includes(parent)) step.deps.push(...last);
  for (const step of added) view.steps.set(step.id, step);
}

/** @param {StepView | undefined} step */
function again(step) {
  if (step) Object.assign(step, { status: "waiting", error: null, summary: "", progress: null, cached: false, note: "" });
}
