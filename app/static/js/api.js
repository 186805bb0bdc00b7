/** The public HTTP API, with the user's key; errors are RFC 9457 problems. */

import { caller, key, keyWanted } from "./session.js";

/** @typedef {{pointer?: string, parameter?: string, detail: string}} Detail */

const TIMEOUT_MS = 30_000;

/** A refusal, or an answer that never came (status 0). */
export class Problem extends Error {
  /** @param {number} status @param {{title?: string, detail?: string, type?: string, errors?: Detail[]}} body
   * @param {number} [retryAfterMs] */
  constructor(status, body, retryAfterMs = 0) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.title = body.title ?? "";
    this.type = body.type ?? "";
    this.errors = body.errors ?? [];
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed a little later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** How far the server's clock is ahead of ours, ms; small differences are the rounding of its `Date` header. */
let skewMs = 0;
export const serverNow = () => Date.now() + skewMs;

/** @returns {Record<string, string>} */
export const keyHeaders = () => (key.value ? { Authorization: `Bearer ${key.value}` } : {});

/**
 * The answer to a request; raises `Problem`.
 * @param {string} method @param {string} path
 * @param {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 */
export async function request(method, path, { body, headers = {}, signal } = {}) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  /** @type {Record<string, string>} */
  const sent = body === undefined ? {} : { "Content-Type": "application/json" };
  let reply;
  const asked = Date.now();
  try {
    reply = await fetch(path, {
      method, headers: { ...sent, ...keyHeaders(), ...headers }, cache: "no-store", credentials: "omit",
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, { title: "No answer", detail: "The server cannot be reached." });
  }
  noteClock(reply, asked);
  if (!reply.ok) throw await problemOf(reply);
  return reply;
}

/** The JSON of an answer; null where there is none. @param {Parameters<typeof request>} parameters @returns {Promise<any>} */
export async function call(...parameters) {
  const reply = await request(...parameters);
  return reply.status === 204 ? null : reply.json();
}

/** @param {Response} reply */
export async function problemOf(reply) {
  const body = await reply.json().catch(() => ({}));
  const problem = new Problem(reply.status, body, 1000 * Number(reply.headers.get("Retry-After") ?? 0) || 0);
  if (reply.status === 401) {
    caller.value = null;
    keyWanted.value = key.value ? problem.message : "This server asks for a key.";
  }
  return problem;
}

/** An answer that took long is no sign of a clock that differs. @param {Response} reply @param {number} asked when it was asked for */
function noteClock(reply, asked) {
  const [at, now] = [Date.parse(reply.headers.get("Date") ?? ""), Date.now()];
  if (!Number.isNaN(at)) skewMs = at < asked - 2_000 || at > now + 2_000 ? at - now : 0;
}

/** Asks who we are to the server; raises `Problem`. */
export async function meet() {
  caller.value = await call("GET", "/whoami");
  keyWanted.value = "";
}
