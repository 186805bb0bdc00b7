/** One action for all tasks that match the filter of the list: which are possible, what is sent, what came of it. */

/**
 * @typedef {"retry" | "cancel" | "delete"} Verb
 * @typedef {{verb: Verb, title: string, done: string, meant: string, states: string[], hint: string}} Action
 *   `meant` are the tasks that it is for where the filter names no state, `states` those that the filter may name
 * @typedef {{task_id: string, refused: string | null}} Outcome
 * @typedef {{outcomes: Outcome[], next: string | null}} Answer
 * @typedef {{done: number, refused: Map<string, string[]>, cursor: string | null, over: boolean}} Progress
 *   `refused` are the ids of tasks by why not
 */

/** @type {Action[]} */
export const ACTIONS = [
  {
    verb: "retry", title: "Retry", done: "run again", meant: "failed", states: ["failed", "cancelled", "expired"],
    hint: "What did not succeed runs again; what did keeps its result.",
  },
  {
    verb: "cancel", title: "Cancel", done: "cancelled", meant: "open", states: ["open", "queued", "running", "paused"],
    hint: "Nothing of them starts any more; running steps are interrupted within a second.",
  },
  {
    verb: "delete", title: "Delete", done: "deleted", meant: "ended", states: ["completed", "failed", "cancelled", "expired"],
    hint: "Their state, their events and their results are gone for good.",
  },
];

/** The state of the tasks that an action is for, as the filter narrows it; empty where the two do not go together.
 * @param {Action} action @param {URLSearchParams} query */
export function stateFor({ meant, states }, query) {
  const chosen = query.get("status") ?? "";
  if (!chosen) return meant;
  return states.includes(chosen) ? chosen : "";
}

/** @param {Record<string, any> | null} counts @param {string} state @returns {number} */
export function numberOf(counts, state) {
  if (!counts) return 0;
  return state === "ended" ? counts.total - counts.open : counts[state];
}

/** What matches, in words. @param {string} state @param {URLSearchParams} query */
export function filterOf(state, query) {
  const label = query.getAll("label").map((text) => `label ${text}`);
  const words = query.get("q") ? [`words “${query.get("q")}”`] : [];
  return [state, ...label, ...words].join(", ");
}

/** @param {Verb} verb @param {string} state @param {URLSearchParams} query @param {string} reason */
export function bodyOf(verb, state, query, reason) {
  const labels = query.getAll("label").map((text) => text.split(/:(.*)/s, 2));
  return {
    action: verb, status: state, labels: Object.fromEntries(labels), q: query.get("q") ?? "",
    ...(query.get("created_after") ? { created_after: query.get("created_after") } : {}),
    ...(reason ? { reason } : {}),
  };
}

/** @returns {Progress} */
export const begun = () => ({ done: 0, refused: new Map(), cursor: null, over: false });

/** What has come of all so far. @param {Progress} before @param {Answer} answer @returns {Progress} */
export function after(before, { outcomes, next }) {
  const refused = new Map(before.refused);
  let done = before.done;
  for (const { task_id: id, refused: why } of outcomes) {
    if (why === null) done += 1;
    else refused.set(plain(why, id), [...(refused.get(plain(why, id)) ?? []), id]);
  }
  return { done, refused, cursor: next, over: next === null };
}

/** The same words for all tasks that are refused for the same reason. @param {string} why @param {string} id */
const plain = (why, id) => why.replaceAll(`'${id}'`, "").replaceAll(id, "").replace(/\s+([.,])/g, "$1");

/** @param {Progress} progress */
export const refusals = ({ refused }) => [...refused.values()].reduce((sum, ids) => sum + ids.length, 0);
