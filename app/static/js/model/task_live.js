/** A task as it is being watched: its stream, folded as it comes. */

import { Problem, request } from "../api.js";
import { batch, signal } from "../lib.js";
import { liveness, watch } from "../stream.js";
import { apply, newView } from "./fold.js";

/** How often a task that has ended is looked at: somebody may have it run again. */
const LOOK_MS = 10_000;
/** Between two pictures: many events a second are shown together. */
const DRAW_MS = 80;

/** Follows one task until it is closed. */
export class TaskLive {
  /** @param {string} taskId */
  constructor(taskId) {
    this.taskId = taskId;
    this.view = newView();
    /** The view as it is drawn, another object whenever it has changed: what has the same properties is not drawn anew. */
    this.shown = signal({ ...this.view });
    /** How far the log is read while it was not read whole yet: half a log is not how a task stands. */
    this.reading = signal(/** @type {{seq: number, of: number} | null} */ (null));
    /** The log reached to there as its stream opened. */
    this.history = 0;
    this.version = 0;
    this.problem = signal(/** @type {Problem | null} */ (null));
    /** Changes with the plan: steps that were added, another task altogether. */
    this.shape = 0;
    this.drawn = false;
    this.drawnAt = 0;
    this.mendedAt = -1;
    this.hangUp = () => {};
    this.timer = setInterval(() => void this.look(), LOOK_MS);
    this.open("");
  }

  close() {
    clearInterval(this.timer);
    this.hangUp();
  }

  /** Whether the log of a task that had ended has grown. */
  async look() {
    if (document.hidden || liveness.value.state !== "ended") return;
    const headers = { "If-None-Match": `"${this.view.seq}-${this.view.status}"` };
    try {
      await request("GET", `/tasks/${encodeURIComponent(this.taskId)}`, { headers });
      if (liveness.value.state === "ended") this.resume();
    } catch (error) {
      // 304: nothing is new. What cannot be asked now is asked later; what is gone is said.
      const problem = /** @type {Problem} */ (error);
      if (problem.status === 404 || problem.status === 410) this.problem.value = problem;
    }
  }

  /** Goes on behind what is known; after a retry, say. */
  resume() {
    this.open(this.position);
  }

  get position() {
    return this.view.seq ? (this.lastId ?? String(this.view.seq)) : "";
  }

  /** @param {string} position */
  open(position) {
    this.hangUp = watch(`/stream/${encodeURIComponent(this.taskId)}`, (frames) => this.take(frames), {
      position,
      onOpen: (lastSeq) => (this.history = lastSeq),
      onRefused: (problem) => (this.problem.value = problem),
    });
  }

  /** @param {import("../stream.js").Frame[]} frames */
  take(frames) {
    for (const { id, event, data } of frames) {
      if (event === "stream.reset") this.reset();
      if (event === "stream.end") this.history = 0;
      if (!id) continue;
      const found = JSON.parse(data);
      if (apply(this.view, found)) this.lastId = id;
      else if (found.seq > this.view.seq) return this.mend();
      if (event === "plan.created" || event === "plan.extended") this.shape += 1;
    }
    this.draw();
  }

  /** The server leaves no gap; should one be there, what is missing is fetched once, and nothing is shown out of order. */
  mend() {
    if (this.mendedAt !== this.view.seq) {
      this.mendedAt = this.view.seq;
      this.resume();
      return;
    }
    this.hangUp();
    this.problem.value = new Problem(0, { title: "The log has a hole", detail: `Event ${this.view.seq + 1} is missing.` });
  }

  /** The log is another one now, and how far it reaches is not known. */
  reset() {
    this.view = newView();
    this.history = 0;
    this.shape += 1;
  }

  /** Asks for a new picture; in a tab that nobody sees there are none, and that is right. */
  draw() {
    if (this.drawn) return;
    this.drawn = true;
    setTimeout(() => requestAnimationFrame(() => this.show()), Math.max(0, this.drawnAt + DRAW_MS - performance.now()));
  }

  show() {
    this.drawn = false;
    this.drawnAt = performance.now();
    batch(() => {
      this.problem.value = null;
      const half = !this.shown.value.seq && this.view.seq < this.history;
      this.reading.value = half ? { seq: this.view.seq, of: this.history } : null;
      if (half) return;
      this.version += 1;
      this.shown.value = { ...this.view };
    });
  }
}
