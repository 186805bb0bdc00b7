/** Dead letters, grouped by their error: look at them, let their work be done after all, or throw them away. */

import { call, Problem, serverNow } from "../api.js";
import { ago, count, counted, exact } from "../format.js";
import { html, useState } from "../lib.js";
import { grouped } from "../model/groups.js";
import { Dialog, Empty, Loading, ProblemBox, useTitle } from "../parts/basics.js";
import { useResource } from "../parts/resource.js";
import { href, route } from "../router.js";

/** @import { Group, Letter } from "../model/groups.js" */
/** @typedef {{verb: "requeue" | "discard", letters: Letter[]}} Deed */

const PAGES_MAX = 10;
const PAGE = 100;
const SHOWN_MAX = 50;
const POLL_MS = 10_000;

export function Letters() {
  useTitle("Dead letters");
  const queue = route.value.query.get("queue") ?? "";
  const { data, problem, reload } = useResource((signal) => all(queue, signal), [queue], { everyMs: POLL_MS });
  const [deed, setDeed] = useState(/** @type {Deed | null} */ (null));
  const groups = data ? grouped(data.letters) : [];
  return html`<div class="view-head"><h1>Dead letters</h1>
      ${data && html`<p class="hint">${counted(data.letters.length, "letter")}${data.more ? ", and more" : ""}${queue ? ` of queue ${queue}` : ""}</p>`}
      ${queue && html`<a class="button" href=${href(["dead-letters"])}>All queues</a>`}</div>
    ${problem && html`<${ProblemBox} problem=${problem} retry=${reload} />`}
    ${!data && !problem && html`<${Loading} />`}
    ${data?.letters.length === 0 && html`<${Empty} title="No dead letters.">
      <p>Work that is given up for good appears here.</p><//>`}
    <div class="groups">${groups.map((group) => html`<${Card} key=${group.key} group=${group} act=${setDeed} />`)}</div>
    ${deed && html`<${Confirm} deed=${deed} close=${() => setDeed(null)} done=${reload} />`}`;
}

/** @param {string} queue @param {AbortSignal} signal @returns {Promise<{letters: Letter[], more: boolean}>} */
async function all(queue, signal) {
  /** @type {Letter[]} */
  const letters = [];
  let cursor = "";
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = new URLSearchParams({ limit: String(PAGE), ...(queue && { queue }), ...(cursor && { cursor }) });
    const found = await call("GET", `/dead-letters?${query}`, { signal });
    letters.push(...found.letters);
    cursor = found.next ?? "";
    if (!cursor) break;
  }
  return { letters, more: cursor !== "" };
}

/** @param {{group: Group, act: (deed: Deed) => void}} props */
function Card({ group: { letters, sample }, act }) {
  const many = counted(letters.length, "letter");
  return html`<section class="card" aria-label=${`${sample.agent ?? sample.queue}: ${sample.error.message}`}>
    <header class="card-head">
      <h2>${count(letters.length)} × ${sample.agent ?? "unreadable"}</h2>
      <span class="tag">${sample.reason}</span>
      <div class="actions">
        <button type="button" onClick=${() => act({ verb: "requeue", letters })}>Requeue ${many} …</button>
        <button type="button" class="danger" onClick=${() => act({ verb: "discard", letters })}>Discard ${many} …</button>
      </div>
    </header>
    <p class="failure-text">${sample.error.message}</p>
    <p class="hint">${sample.error.type ?? "unknown"} ${sample.error.code &&
      html`<code>${sample.error.code}</code>`} · queue ${sample.queue} · newest ${ago(serverNow() - sample.died_ms)}</p>
    <details><summary>Each of them</summary>
      <ul class="letters">${letters.slice(0, SHOWN_MAX).map((letter) =>
        html`<${Row} key=${letter.id} letter=${letter} act=${act} />`)}</ul>
      ${letters.length > SHOWN_MAX && html`<p class="hint">and ${count(letters.length - SHOWN_MAX)} more</p>`}
    </details>
  </section>`;
}

/** @param {{letter: Letter, act: (deed: Deed) => void}} props */
function Row({ letter, act }) {
  const step = letter.step_ids[0];
  return html`<li>
    <time class="num" datetime=${exact(letter.died_ms)} title=${exact(letter.died_ms)}>${ago(serverNow() - letter.died_ms)}</time>
    ${letter.task_id ? html`<a href=${href(["tasks", letter.task_id], { step: String(step) })}>task <code>${letter.task_id.slice(-12)}</code>, step ${letter.step_ids.join(", ")}</a>` : html`<code>${letter.id}</code>`}
    <span class="hint">${counted(letter.deliveries, "delivery", "deliveries")}</span>
    <span class="row-actions">
      <button type="button" class="quiet" onClick=${() => act({ verb: "requeue", letters: [letter] })}>Requeue …</button>
      <button type="button" class="quiet" onClick=${() => act({ verb: "discard", letters: [letter] })}>Discard …</button>
    </span>
  </li>`;
}

/** @param {{deed: Deed, close: () => void, done: () => void}} props */
function Confirm({ deed: { verb, letters }, close, done }) {
  const [state, setState] = useState({ at: -1, refused: /** @type {string[]} */ ([]) });
  const many = counted(letters.length, "letter");
  const run = async () => {
    const refused = [];
    for (const [index, letter] of letters.entries()) {
      setState({ at: index, refused });
      const refusal = await act(verb, letter);
      if (refusal) refused.push(`${letter.id}: ${refusal}`);
    }
    done();
    setState({ at: letters.length, refused });
    if (!refused.length) close();
  };
  const busy = state.at >= 0 && state.at < letters.length;
  return html`<${Dialog} title=${verb === "requeue" ? `Requeue ${many}` : `Discard ${many}`} close=${close}>
    <p>${verb === "requeue" ? "The task of a failed step runs again from that step; any other message goes back into its queue." : "The work is not done, and a failed step stays failed. A letter that is discarded is gone for good."}</p>
    ${busy && html`<p role="status">${count(state.at)} of ${count(letters.length)} …</p>`}
    ${state.refused.length > 0 && html`<div class="problem" role="alert"><p>
      <strong>${counted(state.refused.length, "letter")} could not be.</strong></p>
        <ul>${state.refused.slice(0, 10).map((text) => html`<li>${text}</li>`)}</ul></div>`}
    <div class="actions">
      <button type="button" onClick=${close}>${state.at >= letters.length ? "Close" : "Leave them"}</button>
      ${state.at < letters.length && html`<button type="button" class=${verb === "discard" ? "danger" : "primary"}
        disabled=${busy} onClick=${run}>${verb === "requeue" ? "Requeue" : "Discard"} ${many}</button>`}
    </div>
  <//>`;
}

/** Why it could not be, if so; what another has seen to meanwhile is no failure. @param {Deed["verb"]} verb @param {Letter} letter */
async function act(verb, letter) {
  const path = `/dead-letters/${encodeURIComponent(letter.id)}`;
  try {
    await (verb === "requeue" ? call("POST", `${path}/requeue`) : call("DELETE", path));
    return "";
  } catch (error) {
    return error instanceof Problem && error.status === 404 ? "" : String(error instanceof Error ? error.message : error);
  }
}
