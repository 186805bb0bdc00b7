/** Dead letters, grouped by their error: look at them, let their work be done after all, or throw them away. */

import { call, serverNow } from "../api.js";
import { ago, count, counted, exact } from "../format.js";
import { html, useState } from "../lib.js";
import { grouped } from "../model/groups.js";
import { Empty, Loading, ProblemBox, useTitle } from "../parts/basics.js";
import { LetterDeed } from "../parts/letter_deed.js";
import { useResource } from "../parts/resource.js";
import { href, route } from "../router.js";

/** @import { Group, Letter } from "../model/groups.js" */
/** @import { Deed } from "../parts/letter_deed.js" */

const PAGES_MAX = 10;
const PAGE = 100;
const SHOWN_MAX = 50;
const GROUPS_MAX = 100;
const POLL_MS = 10_000;

export function Letters() {
  useTitle("Dead letters");
  const queue = route.value.query.get("queue") ?? "";
  const { data, problem, reload } = useResource((signal) => all(queue, signal), [queue], { everyMs: POLL_MS });
  const [deed, setDeed] = useState(/** @type {Deed | null} */ (null));
  const groups = data ? grouped(data.letters) : [];
  return html`<div class="view-head"><h1>Dead letters</h1>
      ${data && html`<p class="hint">${data.more ? `the newest ${count(data.letters.length)} letters` : counted(data.letters.length, "letter")}${queue ? ` of queue ${queue}` : ""}${data.letters.length ? `, ${counted(groups.length, "kind of error", "kinds of error")}` : ""}</p>`}
      ${queue && html`<a class="button" href=${href(["dead-letters"])}>All queues</a>`}</div>
    ${problem && html`<${ProblemBox} problem=${problem} retry=${reload} />`}
    ${!data && !problem && html`<${Loading} />`}
    ${data?.letters.length === 0 && html`<${Empty} title="No dead letters.">
      <p>Work that is given up for good appears here.</p><//>`}
    <div class="groups">${groups.slice(0, GROUPS_MAX).map((group) => html`<${Card} key=${group.key} group=${group} act=${setDeed} />`)}</div>
    ${groups.length > GROUPS_MAX && html`<p class="hint">and ${counted(groups.length - GROUPS_MAX, "rarer error")}</p>`}
    ${deed && html`<${LetterDeed} deed=${deed} close=${() => setDeed(null)} done=${reload} />`}`;
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
  const about = `${sample.agent ?? sample.queue}: ${sample.error.message}`;
  const [open, setOpen] = useState(false);
  return html`<section class="card" aria-label=${about}>
    <header class="card-head">
      <h2>${count(letters.length)} × ${sample.agent ?? "unreadable"}</h2>
      <span class="tag">${sample.reason}</span>
      <div class="actions">
        <button type="button" onClick=${() => act({ verb: "requeue", letters, about })}>Requeue ${count(letters.length)}<span class="hidden"> ${letters.length === 1 ? "letter" : "letters"}</span> …</button>
        <button type="button" class="danger" onClick=${() => act({ verb: "discard", letters, about })}>Discard ${count(letters.length)}<span class="hidden"> ${letters.length === 1 ? "letter" : "letters"}</span> …</button>
      </div>
    </header>
    <p class="failure-text">${sample.error.message}</p>
    <p class="hint">${sample.error.type && `${sample.error.type} `}${sample.error.code &&
      html`<code>${sample.error.code}</code>`}${(sample.error.type || sample.error.code) && " · "}queue ${sample.queue} · newest ${ago(serverNow() - sample.died_ms)}</p>
    <details onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}><summary>Each of them</summary>
      <ul class="letters">${open && letters.slice(0, SHOWN_MAX).map((letter) =>
        html`<${Row} key=${letter.id} letter=${letter} act=${act} />`)}</ul>
      ${open && letters.length > SHOWN_MAX && html`<p class="hint">and ${count(letters.length - SHOWN_MAX)} more</p>`}
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
      <button type="button" class="quiet" onClick=${() => act({ verb: "requeue", letters: [letter], about: letter.error.message })}>Requeue …</button>
      <button type="button" class="quiet" onClick=${() => act({ verb: "discard", letters: [letter], about: letter.error.message })}>Discard …</button>
    </span>
  </li>`;
}
