/** A clock that ticks only while something on the page shows a running time. */

import { serverNow } from "./api.js";
import { signal, useEffect } from "./lib.js";

const TICK_MS = 500;
const ticks = signal(serverNow());
let users = 0;
let timer = 0;

/** The server's time, kept current while `running`. @param {boolean} running */
export function useNow(running) {
  useEffect(() => {
    if (!running) return;
    users += 1;
    if (users === 1) timer = setInterval(() => document.hidden || (ticks.value = serverNow()), TICK_MS);
    ticks.value = serverNow();
    return () => {
      users -= 1;
      if (users === 0) clearInterval(timer);
    };
  }, [running]);
  return ticks.value;
}
