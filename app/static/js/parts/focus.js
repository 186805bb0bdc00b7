/** Where the keyboard goes on when what it was on has gone, or may not be pressed for a moment. */

import { useEffect, useRef } from "../lib.js";

/**
 * Looks at each drawing: a button that was pressed has the focus again as soon as it may; when it is gone, the heading has.
 * @param {string} heading selector of what takes the focus, tabindex -1
 */
export function useKeptFocus(heading) {
  const last = useRef(/** @type {any} */ (null));
  const off = useRef(false);
  useEffect(() => {
    const main = document.getElementById("main");
    const leaving = new AbortController();
    const keep = (/** @type {FocusEvent} */ event) => (last.current = event.target);
    // Whoever points at something has left it.
    const forget = () => (last.current = null);
    main?.addEventListener("focusin", keep, { signal: leaving.signal });
    document.addEventListener("pointerdown", forget, { signal: leaving.signal });
    return () => leaving.abort();
  }, []);
  useEffect(() => {
    const element = last.current;
    if (!element || document.activeElement !== document.body) return;
    if (element.isConnected && element.disabled) off.current = true;
    else if (!element.isConnected) /** @type {HTMLElement | null} */ (document.querySelector(heading))?.focus({ preventScroll: true });
    else if (off.current) element.focus({ preventScroll: true });
    if (!element.disabled) off.current = false;
  });
}
