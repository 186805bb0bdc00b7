/**
 * Where the page is: all of it stands behind the `#`, so that a reload and a link show the same, and no server logs it.
 *
 *     #/tasks?status=failed      #/tasks/0-01a2…?tab=events&errors=1
 */

import { signal } from "./lib.js";

/** @typedef {{path: string[], query: URLSearchParams}} Route */

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal(parse(location.hash));
addEventListener("hashchange", () => {
  route.value = parse(location.hash);
});

/**
 * The address of a view; members without a value are left out.
 * @param {string[]} path @param {Record<string, string | null | undefined>} [query]
 */
export function href(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(/** @type {[string, string][]} */ (given)).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** @param {string[]} path @param {Record<string, string | null | undefined>} [query] */
export function go(path, query = {}) {
  location.hash = href(path, query);
}

/**
 * Changes members of the query and keeps the rest; leaves no step in the history unless asked to.
 * @param {Record<string, string | null | undefined>} changes @param {{push?: boolean}} [options]
 */
export function setQuery(changes, { push = false } = {}) {
  const { path, query } = route.value;
  const address = href(path, { ...Object.fromEntries(query), ...changes });
  if (push) {
    location.hash = address;
    return;
  }
  history.replaceState(null, "", address);
  route.value = parse(address);
}
