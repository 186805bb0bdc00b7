/** What each event of a step changes: its state, its attempts, and the spans of time that a timeline shows. */

/** @import { SpanKind, StepView, TaskEvent, View } from "./fold.js" */

/** @type {Record<string, (step: StepView, event: TaskEvent, view: View) => void>} */
export const STEP_EVENTS = {
  "step.queued"(step, { ts, data }) {
    step.status = "queued";
    const due = data.not_before_ms ?? 0;
    if (due > ts) wait(step, "scheduled", ts, due);
    else wait(step, "queued", ts);
  },
  "step.held"(step, { ts, data }) {
    step.status = data.reason === "paused" ? "held" : "limited";
    wait(step, step.status === "held" ? "held" : "limited", ts);
  },
  "step.started"(step, { ts, attempt, worker, data }) {
    lose(step, ts);
    close(step, ts);
    step.status = "running";
    step.progress = null;
    step.attempts.push({
      number: attempt ?? 0, started: ts, ended: null, outcome: "running", worker: worker ?? "",
      delivery: data.delivery, error: null, summary: "",
    });
    step.spans.push({ kind: "run", from: ts, to: null, attempt, outcome: "running" });
  },
  "step.progress"(step, { data }) {
    step.progress = data;
  },
  "step.completed"(step, event) {
    step.status = "completed";
    step.summary = event.data.summary;
    step.cached = event.data.cached;
    step.error = null;
    settle(step, event, "completed");
  },
  "step.failed"(step, event) {
    step.status = "failed";
    step.error = event.data.error;
    settle(step, event, "failed");
  },
  "step.retry_scheduled"(step, event, view) {
    step.status = "retrying";
    view.counts.retries += 1;
    settle(step, event, "retrying");
    wait(step, "backoff", event.ts, event.ts + event.data.delay_ms);
  },
  "step.deferred"(step, event, view) {
    step.status = "deferred";
    step.note = `${event.data.provider} asked for patience`;
    view.counts.deferrals += 1;
    settle(step, event, "deferred");
    wait(step, "deferred", event.ts, event.ts + event.data.delay_ms);
  },
  "step.released"(step, event) {
    step.status = "queued";
    settle(step, event, "released");
    wait(step, "queued", event.ts);
  },
  "step.cancelled"(step, event) {
    step.status = "cancelled";
    step.note = event.data.reason ?? "";
    settle(step, event, "cancelled");
  },
  "step.skipped"(step, event) {
    step.status = "skipped";
    step.note = event.data.reason ?? "";
    close(step, event.ts);
  },
  "step.redelivered"(step, _event, view) {
    view.counts.redeliveries += 1;
  },
  "source.found"(step, { data }, view) {
    view.sources.set(data.passage.pid, { ...data.passage, step: step.id });
  },
  "output.delta"(step, { attempt, data }, view) {
    const known = view.artifacts.get(data.artifact);
    if (known && known.attempt > (attempt ?? 0)) return;
    const before = known && known.attempt === attempt ? known.text : "";
    // Offsets count characters, not the halves of pairs that JavaScript counts; the log is gapless, so pieces join.
    const text = data.offset === 0 ? data.text : before + data.text;
    view.artifacts.set(data.artifact, { name: data.artifact, step: step.id, attempt: attempt ?? 0, text,
      mediaType: "", done: false });
  },
  "artifact.completed"(_step, { data }, view) {
    const known = view.artifacts.get(data.name);
    if (known) Object.assign(known, { done: true, mediaType: data.media_type });
  },
  "citations.verified"(_step, { data }, view) {
    view.citations = { total: data.total, ok: data.ok, repaired: data.repaired, dropped: data.dropped };
  },
};

/** The step waits from now on; `until` is when the wait is due to end.
 * @param {StepView} step @param {SpanKind} kind @param {number} ts @param {number} [until] */
function wait(step, kind, ts, until) {
  close(step, ts);
  step.spans.push({ kind, from: ts, to: null, until });
}

/** Ends what was under way; a wait that lasted longer than it was meant to ended in the queue.
 * @param {StepView} step @param {number} ts */
function close(step, ts) {
  const last = step.spans.at(-1);
  if (!last || last.to !== null) return;
  last.to = ts;
  if (last.until !== undefined && last.until < ts) {
    last.to = last.until;
    step.spans.push({ kind: "queued", from: last.until, to: ts });
  }
}

/** @param {StepView} step @param {TaskEvent} event @param {string} outcome */
function settle(step, event, outcome) {
  const attempt = step.attempts.at(-1);
  const last = step.spans.at(-1);
  if (event.attempt !== undefined && attempt && attempt.number === event.attempt) {
    attempt.ended = event.ts;
    attempt.outcome = outcome;
    attempt.error = event.data.error ?? null;
    attempt.summary = event.data.summary ?? event.data.reason ?? "";
    if (last && last.kind === "run") last.outcome = outcome;
  }
  close(step, event.ts);
}

/** An attempt without an end was lost with its worker. @param {StepView} step @param {number} ts */
function lose(step, ts) {
  for (const attempt of step.attempts) {
    if (attempt.ended !== null) continue;
    attempt.ended = ts;
    attempt.outcome = "lost";
  }
  for (const span of step.spans) if (span.kind === "run" && span.to === null) span.outcome = "lost";
}
