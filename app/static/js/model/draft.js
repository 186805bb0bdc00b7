/** A submission while it is being written: fields of a form, and the body that they make. */

/**
 * @typedef {{name: string, text: string}} DocumentFile
 * @typedef {{task: string, documents: DocumentFile[], urls: string, web: boolean, collection: string, format: string,
 *   planner: string, priority: number, labels: string, deadline: string, notBefore: string, plan: string | null}} Draft
 *   `plan` is JSON once somebody has edited it
 */

/** @type {Draft} */
export const EMPTY = {
  task: "", documents: [], urls: "", web: false, collection: "", format: "markdown", planner: "", priority: 5, labels: "",
  deadline: "", notBefore: "", plan: null,
};

/** What is sent; members that nobody has filled in are left out. @param {Draft} draft @param {unknown} [plan] */
export function bodyOf(draft, plan) {
  return {
    task: draft.task,
    ...given({
      plan,
      planner: plan === undefined ? draft.planner : "",
      inputs: inputsOf(draft),
      output: draft.format === "markdown" ? "" : { format: draft.format },
      labels: labelsOf(draft.labels),
      deadline: draft.deadline.trim(),
      not_before: draft.notBefore.trim(),
    }),
    ...(draft.priority === 5 ? {} : { priority: draft.priority }),
  };
}

/** @param {Draft} draft */
function inputsOf({ documents, urls, web, collection }) {
  return given({ documents: documents.length ? documents : "", urls: addresses(urls), web, collection: collection.trim() });
}

/** One per line. @param {string} text */
function addresses(text) {
  const found = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return found.length ? found : "";
}

/** The members that say something. @param {Record<string, unknown>} members @returns {Record<string, any>} */
function given(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => Boolean(value) && !isEmpty(value)));
}

/** @param {unknown} value */
const isEmpty = (value) => typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

/** `team:a, env:b` @param {string} text @returns {Record<string, string>} */
export function labelsOf(text) {
  const pairs = text.split(",").map((part) => part.trim()).filter(Boolean);
  return Object.fromEntries(pairs.map((pair) => pair.split(/:(.*)/s, 2).map((part) => part.trim())).map(([name, value = ""]) => [name, value]));
}
