/** The log of a task: every event, filtered as the address says; the JSON of each is one click away. */

import { clock, count, exact } from "../format.js";
import { html, useMemo } from "../lib.js";
import { FAMILIES, familyOf, isTrouble, lineOf, selected, typesOf } from "../model/log.js";
import { setQuery } from "../router.js";
import { CopyButton, Empty } from "./basics.js";
import { Json } from "./json.js";
import { Virtual } from "./virtual.js";

/** @import { TaskEvent, View } from "../model/fold.js" */

const ROW = 30;
const HEIGHT_MAX = 560;

/** @param {{view: View, version: number, query: URLSearchParams}} props */
export function EventLog({ view, version, query }) {
  const filter = read(query);
  const newestFirst = query.get("order") === "newest";
  const shown = useMemo(() => selected(view.events, filter), [version, query.toString()]);
  /** @param {number} index */
  const at = (index) => shown[newestFirst ? shown.length - 1 - index : index];
  const seq = Number(query.get("event"));
  const open = seq ? view.events[seq - 1] : null;
  return html`<section aria-label="Events">
    <${Tools} filter=${filter} newestFirst=${newestFirst} query=${query} shown=${shown} total=${view.events.length}
      choices=${html`<${Choices} view=${view} filter=${filter} />`} />
    ${shown.length === 0 && html`<${Empty} title=${view.events.length ? "No event matches." : "No events yet."} />`}
    <${Virtual}
      label="Events" class="log" count=${shown.length} rowHeight=${ROW} heightMax=${HEIGHT_MAX} follow=${query.get("follow") === "1" && !newestFirst}
      row=${(/** @type {number} */ index) => html`<${Row} key=${at(index).seq} event=${at(index)} open=${at(index) === open} />`}
    />
    ${open && html`<div class="log-detail"><h2>Event ${open.seq}</h2><${Json} value=${open}
      label=${`JSON of event ${open.seq}`} /></div>`}
  </section>`;
}

/** @param {URLSearchParams} query */
function read(query) {
  const families = new Set((query.get("types") ?? "").split(",").filter(Boolean));
  const step = Number(query.get("of")) || null;
  return { families, type: query.get("type") ?? "", errors: query.get("errors") === "1", step, words: query.get("q") ?? "" };
}

/** One type, one step; what the address asks for is there to choose even if the log has none of it.
 * @param {{view: View, filter: ReturnType<typeof read>}} props */
function Choices({ view, filter: { type, step } }) {
  const found = useMemo(() => typesOf(view.events), [view.events.length]);
  const types = type && !found.some(([name]) => name === type) ? [...found, /** @type {[string, number]} */ ([type, 0])] : found;
  const steps = [...view.steps.values()].map(({ id, agent }) => [String(id), `${id} ${agent}`]);
  const known = step === null || view.steps.has(step) ? steps : [...steps, [String(step), String(step)]];
  return html`
    <select aria-label="Type of event" value=${type} onChange=${(/** @type {any} */ event) => setQuery({ type: event.target.value })}>
      <option value="">any type</option>
      ${types.map(([name, number]) => html`<option key=${name} value=${name}>${name} (${count(number)})</option>`)}
    </select>
    <select aria-label="Step" value=${step === null ? "" : String(step)}
      onChange=${(/** @type {any} */ event) => setQuery({ of: event.target.value })}>
      <option value="">any step</option>
      ${known.map(([id, title]) => html`<option key=${id} value=${id}>step ${title}</option>`)}
    </select>`;
}

/** @param {{filter: ReturnType<typeof read>, newestFirst: boolean, query: URLSearchParams, shown: TaskEvent[], total: number, choices: any}} props */
function Tools({ filter, newestFirst, query, shown, total, choices }) {
  /** @param {string} family */
  const toggle = (family) => {
    const next = new Set(filter.families);
    if (!next.delete(family)) next.add(family);
    setQuery({ types: [...next].join(",") });
  };
  return html`<div class="tools">
    <div class="chips" role="group" aria-label="Kinds of events">
      ${FAMILIES.map((family) => html`<button key=${family} type="button" class="chip"
        aria-pressed=${filter.families.has(family)} onClick=${() => toggle(family)}>${family}</button>`)}
      <button type="button" class="chip danger" aria-pressed=${filter.errors} onClick=${() =>
        setQuery({ errors: filter.errors ? "" : "1" })}>errors only</button>
    </div>
    ${choices}
    <input type="search" aria-label="Search the events" placeholder="Search the events" value=${filter.words}
      onInput=${(/** @type {any} */ event) => setQuery({ q: event.target.value })} />
    <div class="tools-end">
      <span class="hint num">${shown.length === total ? count(total) : `${count(shown.length)} of ${count(total)}`}</span>
      <button type="button" class="quiet" aria-pressed=${query.get("follow") === "1"} onClick=${() =>
        setQuery({ follow: query.get("follow") ? "" : "1", order: "" })}>Follow</button>
      <button type="button" class="quiet" onClick=${() =>
        setQuery({ order: newestFirst ? "" : "newest", follow: "" })}>${newestFirst ? "Newest first" : "Oldest first"}</button>
      <${CopyButton} label="Copy as lines" text=${() => shown.map((event) => JSON.stringify(event)).join("\n")} />
    </div>
  </div>`;
}

/** @param {{event: TaskEvent, open: boolean}} props */
function Row({ event, open }) {
  return html`<div role="listitem" style=${{ height: `${ROW}px` }}>
    <button
      type="button" class="log-row family-${familyOf(event.type)} ${isTrouble(event) ? "trouble" : ""}" aria-expanded=${open}
      onClick=${() => setQuery({ event: open ? "" : String(event.seq) })}
    >
      <span class="num log-seq">${event.seq}</span>
      <time class="num log-time" datetime=${exact(event.ts)}>${clock(event.ts)}<span class="faint">.${String(event.ts % 1000).padStart(3, "0")}</span></time>
      <span class="log-type">${event.type}</span>
      <span class="log-step">${event.step_id ? `${event.step_id} ${event.agent ?? ""}${(event.attempt ?? 1) > 1 ? ` ×${event.attempt}` : ""}` : ""}</span>
      <span class="log-line">${lineOf(event)}</span>
    </button>
  </div>`;
}
