/** Light, dark, or as the system has it. */

import { effect, html, signal } from "../lib.js";

const PLACE = "stepstream.theme";
const NEXT = /** @type {const} */ ({ auto: "light", light: "dark", dark: "auto" });

/** @typedef {keyof typeof NEXT} Theme */

const theme = signal(remembered());
effect(() => {
  document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem(PLACE, theme.value);
  } catch {
    // Not remembered, then.
  }
});

/** @returns {Theme} */
function remembered() {
  try {
    const found = localStorage.getItem(PLACE) ?? "";
    return found in NEXT ? /** @type {Theme} */ (found) : "auto";
  } catch {
    return "auto";
  }
}

export const ThemeButton = () => html`<button
  type="button" class="quiet" aria-label=${`Colours: ${theme.value}`} title=${`Colours: ${theme.value}`}
  onClick=${() => (theme.value = NEXT[theme.value])}
>${{ auto: "◐", light: "☀", dark: "☾" }[theme.value]}</button>`;
