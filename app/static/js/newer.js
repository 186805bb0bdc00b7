/**
 * Whether the server has another version of this page than the one that is open.
 *
 * All files lie under an address with a hash of them, which is the page's `ETag` too. It is asked for when a stream has
 * come back, for then a server may have been replaced, when somebody looks at the tab again, and every so often. The page
 * is never reloaded by itself: somebody may be writing.
 */

import { effect, signal } from "./lib.js";
import { liveness } from "./stream.js";

const EVERY_MS = 60_000;
const TIMEOUT_MS = 10_000;
const OWN = /\/static\/([^/]+)\//.exec(import.meta.url)?.[1] ?? "";

/** Whether the server's last answer was of another version. */
export const newer = signal(false);
let asking = false;

/** Begins to look. */
export function lookForNewer() {
  let before = liveness.value.state;
  effect(() => {
    const { state } = liveness.value;
    if (state === "live" && before === "reconnecting") void look();
    before = state;
  });
  document.addEventListener("visibilitychange", () => void look());
  setInterval(() => void look(), EVERY_MS);
}

async function look() {
  if (document.hidden || asking || !OWN) return;
  asking = true;
  try {
    const reply = await fetch("/", { method: "HEAD", cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(TIMEOUT_MS) });
    const version = /"([^"]*)"/.exec(reply.headers.get("ETag") ?? "")?.[1];
    if (reply.ok && version) newer.value = version !== OWN;
  } catch {
    // A server that cannot be reached is told of elsewhere.
  } finally {
    asking = false;
  }
}
