/**
 * Server-sent events over fetch, which can send a key: from a position, with reconnection, until the end.
 *
 * Whatever breaks the connection (a restart, a proxy's 502, a laptop that slept), it comes back to where it was with
 * growing delays. A tab has one stream: opening another closes the one before. Browsers hold six connections to a server
 * for all tabs together, so a tab that nobody looks at gives its own back and goes on when it is looked at again.
 */

import { createParser } from "eventsource-parser";
import { keyHeaders, problemOf } from "./api.js";
import { signal } from "./lib.js";

/**
 * @typedef {{id?: string, event?: string, data: string}} Frame
 * @typedef {{state: "idle" | "connecting" | "live" | "reconnecting" | "ended" | "refused", detail: string}} Liveness
 */

const DELAY_MS_MAX = 30_000;
/** The server says something every 15 s at the latest. */
const SILENCE_MS_MAX = 40_000;
/** How long a tab may be out of sight before it gives its connection back. */
const HIDDEN_MS_MAX = 30_000;
const IDLE = /** @type {Liveness} */ ({ state: "idle", detail: "" });
/** Refusals that will not change by asking again. */
const FINAL = new Set([400, 401, 403, 404, 410, 421, 422]);

/** What the one stream of this tab is doing. */
export const liveness = signal(IDLE);
let current = /** @type {Stream | null} */ (null);

/**
 * Opens the tab's stream; returns what closes it.
 * @param {string} path
 * @param {(frames: Frame[]) => void} onFrames frames that came in one piece
 * @param {{position?: string, onOpen?: (lastSeq: number) => void, onRefused?: (problem: import("./api.js").Problem) => void}} [options]
 *   `onOpen` is told at each connection how far the log reached by then, 0 where the stream is not that of one log
 */
export function watch(path, onFrames, { position = "", onOpen = () => {}, onRefused = () => {} } = {}) {
  current?.close();
  const stream = (current = new Stream(path, onFrames, position, onOpen, onRefused));
  void stream.run();
  return () => stream.close();
}

class Stream {
  /** @param {string} path @param {(frames: Frame[]) => void} onFrames @param {string} position
   * @param {(lastSeq: number) => void} onOpen @param {(problem: import("./api.js").Problem) => void} onRefused */
  constructor(path, onFrames, position, onOpen, onRefused) {
    this.path = path;
    this.onFrames = onFrames;
    this.onOpen = onOpen;
    this.onRefused = onRefused;
    this.position = position;
    this.delayMs = 2_000;
    this.failures = 0;
    this.closed = false;
    this.done = false;
    this.abort = new AbortController();
    this.wake = () => {};
    this.resting = false;
    this.onReturn = () => this.seen();
    addEventListener("online", this.onReturn);
    document.addEventListener("visibilitychange", this.onReturn);
    this.hidden = 0;
    this.seen();
  }

  close() {
    this.closed = true;
    removeEventListener("online", this.onReturn);
    document.removeEventListener("visibilitychange", this.onReturn);
    clearTimeout(this.hidden);
    this.abort.abort();
    this.wake();
    if (current === this) {
      current = null;
      liveness.value = IDLE;
    }
  }

  /** Notes whether anybody looks at the tab. */
  seen() {
    clearTimeout(this.hidden);
    this.resting = false;
    if (!document.hidden) return this.wake();
    this.hidden = setTimeout(() => {
      this.resting = true;
      this.abort.abort();
    }, HIDDEN_MS_MAX);
  }

  async run() {
    this.tell("connecting", "");
    while (!this.closed && !this.done) {
      if (this.resting) {
        await this.rest();
        continue;
      }
      const problem = await this.once();
      if (this.closed) return;
      if (this.done) return this.tell("ended", "");
      if (problem && FINAL.has(problem.status)) {
        this.tell("refused", problem.message);
        return this.onRefused(problem);
      }
      if (this.resting) continue;
      this.failures += 1;
      this.tell("reconnecting", problem?.message ?? "The connection was lost.");
      await this.pause(problem?.retryAfterMs ?? 0);
    }
  }

  /** Until somebody looks at the tab again. */
  async rest() {
    this.tell("reconnecting", "Nobody looks at this tab.");
    await new Promise((resolve) => (this.wake = () => resolve(undefined)));
    this.wake = () => {};
  }

  /** One connection, to its end; the problem that ended it, where there was one. */
  async once() {
    this.abort = new AbortController();
    const watchdog = new Watchdog(() => this.abort.abort());
    try {
      const headers = { Accept: "text/event-stream", ...keyHeaders(), ...this.cursor() };
      const reply = await fetch(this.path, { headers, cache: "no-store", credentials: "omit", signal: this.abort.signal });
      if (reply.status === 204) this.done = true;
      else if (!reply.ok || !reply.body) return await problemOf(reply);
      else {
        this.onOpen(Number(reply.headers.get("Last-Seq")) || 0);
        await this.read(reply.body, watchdog);
      }
    } catch {
      // Cut off, by the network or by the watchdog: nothing to tell apart.
    } finally {
      watchdog.stop();
    }
    return null;
  }

  /** @returns {Record<string, string>} */
  cursor() {
    return this.position ? { "Last-Event-ID": this.position } : {};
  }

  /** @param {ReadableStream<Uint8Array<ArrayBuffer>>} body @param {Watchdog} watchdog */
  async read(body, watchdog) {
    /** @type {Frame[]} */
    let frames = [];
    const parser = createParser({
      onEvent: (frame) => frames.push(frame),
      onRetry: (ms) => (this.delayMs = Math.max(250, ms)),
    });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.closed) return;
      watchdog.pat();
      this.failures = 0;
      if (liveness.value.state !== "live") this.tell("live", "");
      parser.feed(value);
      const ready = frames;
      frames = [];
      if (ready.length) this.take(ready);
    }
  }

  /** @param {Frame[]} frames */
  take(frames) {
    for (const { id, event } of frames) {
      if (event === "stream.reset") this.position = "";
      else if (id) this.position = id;
      if (event === "stream.end") this.done = true;
    }
    this.onFrames(frames);
  }

  /** @param {number} atLeastMs */
  async pause(atLeastMs) {
    const grown = Math.min(DELAY_MS_MAX, this.delayMs * 1.6 ** (this.failures - 1));
    const ms = Math.max(atLeastMs, grown * (0.5 + Math.random()));
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    this.wake = () => {};
  }

  /** @param {Liveness["state"]} state @param {string} detail */
  tell(state, detail) {
    if (current === this) liveness.value = { state, detail };
  }
}

/** Cuts a connection that has gone silent, as one does that outlived a laptop's sleep. */
class Watchdog {
  /** @param {() => void} bite */
  constructor(bite) {
    this.heard = Date.now();
    this.timer = setInterval(() => Date.now() - this.heard > SILENCE_MS_MAX && bite(), 5_000);
  }

  pat() {
    this.heard = Date.now();
  }

  stop() {
    clearInterval(this.timer);
  }
}
