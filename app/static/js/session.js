/**
 * Who is at this page: the key, where it is kept, and what it may do.
 *
 * A key lies in memory, or in the tab's session storage when its owner says so; it is sent in a header and never stands
 * in an address. Without one the server decides: at the machine it runs on it needs none.
 */

import { computed, signal } from "./lib.js";

/** @typedef {{name: string, tenant: string, scopes: string[]}} Caller */

const PLACE = "stepstream.key";

export const key = signal(stored());
/** What the server knows the key as; null while nobody has been asked. */
export const caller = signal(/** @type {Caller | null} */ (null));
/** Why a key is asked for; empty when none is. */
export const keyWanted = signal("");

export const canSubmit = computed(() => may("submit"));
export const isAdmin = computed(() => may("admin"));

/** @param {string} scope */
function may(scope) {
  const scopes = caller.value?.scopes ?? [];
  return scopes.includes(scope) || scopes.includes("admin");
}

function stored() {
  try {
    return sessionStorage.getItem(PLACE) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} text @param {boolean} keep whether the tab's session storage may have it */
export function takeKey(text, keep) {
  forgetKey();
  key.value = text.trim();
  try {
    if (keep && key.value) sessionStorage.setItem(PLACE, key.value);
  } catch {
    // Storage may be forbidden; memory is enough.
  }
}

export function forgetKey() {
  key.value = "";
  caller.value = null;
  try {
    sessionStorage.removeItem(PLACE);
  } catch {
    // As above.
  }
}
