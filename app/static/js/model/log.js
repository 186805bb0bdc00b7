/** Which events of a log are shown, and what each says in a line. */

import { counted, duration, money, size } from "../format.js";

/** @import { TaskEvent } from "./fold.js" */
/** @typedef {{families: Set<string>, type: string, errors: boolean, step: number | null, words: string}} LogFilter */

export const FAMILIES = ["task", "plan", "step", "progress", "source", "output", "llm"];
const FAMILY_OF = /** @type {Record<string, string>} */ ({
  "step.progress": "progress", "batch.dispatched": "step", "artifact.completed": "output", "citations.verified": "output",
  "events.truncated": "task",
});
const TROUBLE = new Set([
  "step.failed", "step.retry_scheduled", "step.redelivered", "task.failed", "task.expired", "plan.fallback", "events.truncated",
]);

/** @param {string} type */
export const familyOf = (type) => FAMILY_OF[type] ?? type.split(".", 1)[0];
/** @param {TaskEvent} event */
export const isTrouble = (event) => TROUBLE.has(event.type);

/** @param {TaskEvent[]} events @param {LogFilter} filter */
export function selected(events, { families, type, errors, step, words }) {
  if (!families.size && !type && !errors && step === null && !words) return events;
  const wanted = words.toLowerCase();
  return events.filter(
    (event) =>
      (!families.size || families.has(familyOf(event.type))) &&
      (!type || event.type === type) &&
      (!errors || isTrouble(event)) &&
      (step === null || event.step_id === step) &&
      (!wanted || JSON.stringify(event).toLowerCase().includes(wanted)),
  );
}

/** How many events of each type a log has, in the order of their names. @param {TaskEvent[]} events @returns {[string, number][]} */
export function typesOf(events) {
  /** @type {Map<string, number>} */
  const found = new Map();
  for (const { type } of events) found.set(type, (found.get(type) ?? 0) + 1);
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** @type {Record<string, (data: any, event: TaskEvent) => string>} */
const LINES = {
  "task.submitted": (data) => data.task,
  "plan.created": (data) => `${counted(data.steps.length, "step")}, planned by ${data.planner}`,
  "plan.fallback": (data) => `${data.planner} planned instead of ${data.instead_of}: ${data.reason}`,
  "plan.extended": (data) => `${counted(data.steps.length, "step")} added below step ${data.parent}`,
  "task.started": (data) => counted(data.steps_total, "step"),
  "step.queued": (data) => `in queue ${data.queue}${data.deps.length ? `, after ${data.deps.join(", ")}` : ""}`,
  "step.held": (data) => (data.reason === "paused" ? "held by a pause" : "held by its group's limit"),
  "batch.dispatched": (data) => `${counted(data.size, "step")} of ${data.agent} in one message`,
  "step.started": (data) => `after ${duration(data.queue_wait_ms)} in the queue${data.delivery > 1 ? `, delivery ${data.delivery}` : ""}`,
  "step.progress": (data) => `${data.total ? `${data.current}/${data.total} ` : ""}${data.message}`,
  "source.found": ({ passage }) => `${passage.title} (${passage.uri})`,
  "output.delta": (data) => data.text,
  "llm.usage": (data) =>
    `${data.name}, ${data.model}: ${counted(data.input_tokens ?? 0, "token")} in, ${counted(data.output_tokens ?? 0, "token")} out, ${duration(data.ms)}${data.usd ? `, ${money(data.usd)}` : ""}`,
  "step.completed": (data) => `${data.summary || "done"} · ${data.cached ? "result taken over" : duration(data.duration_ms)}`,
  "step.failed": (data) => sentence(data.error),
  "step.retry_scheduled": (data) => `${sentence(data.error)} · attempt ${data.next_attempt} in ${duration(data.delay_ms)}`,
  "step.deferred": (data) => `${data.provider} asked for patience: ${duration(data.delay_ms)}`,
  "step.redelivered": (data) => `worker ${data.from_worker} was silent for ${duration(data.idle_ms)}`,
  "artifact.completed": (data) => `${data.name}, ${size(data.bytes)}`,
  "citations.verified": (data) => `${data.ok} of ${data.total} hold, ${data.repaired} repaired, ${data.dropped} dropped`,
  "task.cancel_requested": (data) => `${data.mode}, by ${data.by}${data.reason ? `: ${data.reason}` : ""}`,
  "task.retried": (data) => `by ${data.by}: ${counted(data.steps.length, "step")} again`,
  "task.completed": (data) => `in ${duration(data.duration_ms)}${data.partial ? ", with a part of what was planned" : ""}`,
  "task.failed": (data) => `step ${data.failed_step}: ${sentence(data.error)}`,
  "events.truncated": (data) => `no more ${data.dropped.join(", ")}: the log has ${data.limit} events`,
};

/** @param {TaskEvent} event */
export function lineOf(event) {
  try {
    const line = LINES[event.type]?.(event.data, event) ?? event.data.reason ?? event.data.message ?? "";
    return String(line).slice(0, 400);
  } catch {
    // A version of the event that this page does not know: its JSON is there to be read.
    return "";
  }
}

/** @param {{code: string, message: string}} error */
const sentence = (error) => `${error.code}: ${error.message}`;
