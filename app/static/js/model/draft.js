/** A submission while it is being written: fields of a form, and the body that they make. */

/**
 * @typedef {{name: string, text: string}} DocumentFile
 * @typedef {{task: string, documents: DocumentFile[], urls: string, web: boolean, collection: string, format: string,
 *   planner: string, priority: number, labels: string, deadline: string, notBefore: string, plan: string | null,
 *   concurrency: object | null}} Draft
 *   `plan` is JSON once somebody has edited it; `concurrency` comes with a task that is submitted again
 */

/** @type {Draft} */
export const EMPTY = {
  task: "", documents: [], urls: "", web: false, collection: "", format: "markdown", planner: "", priority: 5, labels: "",
  deadline: "", notBefore: "", plan: null, concurrency: null,
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
      concurrency: draft.concurrency,
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

/** A submission as it was sent, to be changed and sent again. @param {any} body `GET /tasks/{id}/request` @returns {Draft} */
export function draftOf({ task, plan, planner, inputs, output, priority, labels, concurrency }) {
  return {
    ...EMPTY, task, documents: inputs.documents, urls: inputs.urls.join("\n"), web: inputs.web, collection: inputs.collection ?? "",
    format: output.format, planner: planner ?? "", priority, labels: labelText(labels), concurrency,
    plan: plan ? JSON.stringify(plan.map(brief), null, 2) : null,
  };
}

/** A step without what it does not say. @param {any} step */
export function brief(step) {
  const said = Object.entries(step).filter(([name, value]) => value !== null && !(name === "on_failure" && value === "fail"));
  return Object.fromEntries(said);
}

/** `team:a, env:b`; a comma that is part of a label stands behind a backslash. @param {string} text @returns {Record<string, string>} */
export function labelsOf(text) {
  const parts = text.split(/(?<!\\),/).map((part) => part.replaceAll("\\,", ",").trim());
  const pairs = parts.filter(Boolean).map((part) => part.split(/:(.*)/s, 2).map((half) => half.trim()));
  return Object.fromEntries(pairs.map(([name, value = ""]) => [name, value]));
}

/** @param {Record<string, string>} labels */
const labelText = (labels) => Object.entries(labels).map(([name, value]) => `${name}:${value}`.replaceAll(",", "\\,")).join(", ");
