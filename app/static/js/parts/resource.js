/** Something of the API that a view shows: fetched, fetched anew, and honest about how that went. */

import { Problem } from "../api.js";
import { useEffect, useRef, useState } from "../lib.js";

/**
 * @template T
 * @typedef {{data: T | null, problem: Problem | null, loading: boolean, reload: () => void}} Resource
 */

/** Between two fetches that events ask for. */
const REST_MS = 700;

/**
 * What `load` gives, again whenever one of `inputs` changes; what is there stays until the new is.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load @param {unknown[]} inputs @param {{everyMs?: number}} [options]
 * @returns {Resource<T>}
 */
export function useResource(load, inputs, { everyMs = 0 } = {}) {
  const [state, setState] = useState(/** @type {Omit<Resource<T>, "reload">} */ ({ data: null, problem: null, loading: true }));
  const ring = useRef(() => {});
  useEffect(() => {
    const bell = new Bell(load, (found) => setState((before) => ({ ...before, ...found, loading: false })), everyMs);
    ring.current = () => bell.ring();
    setState((before) => ({ ...before, loading: true }));
    bell.ring();
    return () => bell.stop();
  }, inputs);
  return { ...state, reload: () => ring.current() };
}

/** Fetches when rung, one at a time, with a rest between; and by itself every so often while somebody looks.
 * @template T */
class Bell {
  /** @param {(signal: AbortSignal) => Promise<T>} load
   * @param {(found: {data?: T, problem: Problem | null}) => void} found @param {number} everyMs */
  constructor(load, found, everyMs) {
    this.load = load;
    this.found = found;
    this.abort = new AbortController();
    this.busy = false;
    this.wanted = false;
    this.timer = everyMs ? setInterval(() => document.hidden || this.ring(), everyMs) : 0;
    this.onShow = () => document.hidden || this.ring();
    if (everyMs) document.addEventListener("visibilitychange", this.onShow);
  }

  ring() {
    this.wanted = true;
    if (!this.busy) void this.work();
  }

  async work() {
    this.busy = true;
    while (this.wanted && !this.abort.signal.aborted) {
      this.wanted = false;
      try {
        const data = await this.load(this.abort.signal);
        if (!this.abort.signal.aborted) this.found({ data, problem: null });
      } catch (error) {
        if (!this.abort.signal.aborted) this.found({ problem: error instanceof Problem ? error : unknown(error) });
      }
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
    this.busy = false;
  }

  stop() {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.onShow);
    this.abort.abort();
  }
}

/** @param {unknown} error */
export const unknown = (error) => new Problem(0, { title: "That did not work", detail: String(error) });
