/** The list of tasks, live: filters and search stand in the address, pages are keyset pages. */

import { call } from "../api.js";
import { useNow } from "../clock.js";
import { ago, count, duration, exact, shortId } from "../format.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { TERMINAL } from "../model/fold.js";
import { Badge, Empty, Loading, ProblemBox, useTitle } from "../parts/basics.js";
import { BulkActions, countsQuery } from "../parts/bulk.js";
import { LabelFilter } from "../parts/label_filter.js";
import { useResource } from "../parts/resource.js";
import { href, route, setQuery } from "../router.js";
import { caller, canSubmit, isAdmin } from "../session.js";
import { watch } from "../stream.js";

/**
 * @typedef {{task_id: string, task: string, status: string, priority: number, labels: Record<string, string>,
 *   created_ms: number, finished_ms: number | null, rested_ms?: number, steps: number, steps_left: number}} Summary
 * @typedef {{tasks: Summary[], next: string | null}} Page
 */

const PAGE = 50;
const POLL_MS = 3_000;
/** With events at hand, asking by the clock is only for what no event tells, an outage above all. */
const POLL_LIVE_MS = 8_000;
/** To count by words the server reads the tasks. */
const POLL_WORDS_MS = 15_000;
const STATES = ["", "open", "queued", "running", "paused", "cancelling", "completed", "failed", "cancelled", "expired"];
/** Shown only while there are such tasks: they are that for a second. */
const PASSING = new Set(["cancelling"]);
const TYPES = "task.*,step.completed,step.failed";

export function Tasks() {
  useTitle("Tasks");
  const { query } = route.value;
  const asked = new URLSearchParams(query);
  asked.set("limit", String(PAGE));
  const every = { everyMs: isAdmin.value ? POLL_LIVE_MS : POLL_MS };
  const page = useResource((signal) => call("GET", `/tasks?${asked}`, { signal }), [asked.toString()], every);
  const asks = countsQuery(query);
  const byWords = Boolean(query.get("q"));
  const counts = useResource((signal) => call("GET", `/tasks/counts?${asks}`, { signal }), [asks],
    byWords ? { everyMs: POLL_WORDS_MS } : every);
  const reload = () => {
    page.reload();
    counts.reload();
  };
  useDoorbell(() => {
    page.reload();
    if (!byWords) counts.reload();
  });
  return html`
    <div class="view-head"><h1>Tasks</h1>${!isAdmin.value && html`<p class="hint">Updated every ${duration(POLL_MS)}</p>`}</div>
    <${Filters} query=${query} counts=${counts.data} tasks=${page.data?.tasks ?? []} />
    <${BulkActions} query=${query} counts=${counts.loading ? null : counts.data} done=${reload} />
    <${Found} page=${page} query=${query} />
  `;
}

/** Rings when something happens to a task of ours; keys without `admin` do without. @param {() => void} ring */
function useDoorbell(ring) {
  const latest = useRef(ring);
  latest.current = ring;
  const tenant = caller.value?.tenant ?? "";
  useEffect(() => {
    if (!isAdmin.value) return;
    const ring = () => latest.current();
    // As it opens too: what happened between the first fetch and the stream is told by nobody.
    return watch(`/events?${new URLSearchParams({ types: TYPES, tenant })}`, ring, { onOpen: ring });
  }, [tenant]);
}

/** @param {{query: URLSearchParams, counts: Record<string, any> | null, tasks: Summary[]}} props */
function Filters({ query, counts, tasks }) {
  const chosen = query.get("status") ?? "";
  /** @param {string} state */
  const target = (state) => href(["tasks"], { ...kept(query), status: state });
  const more = counts && !counts.complete ? "+" : "";
  return html`<div class="filters">
    <nav class="chips" aria-label="State">
      ${STATES.filter((state) => !PASSING.has(state) || state === chosen || counts?.[state]).map((state) => {
        const number = counts?.[state || "total"];
        return html`<a key=${state} class="chip ${number === 0 ? "none" : ""}" href=${target(state)}
          aria-current=${state === chosen ? "true" : undefined}>
          ${state || "all"}${number !== undefined && html`<span class="chip-count">${count(number)}${more}</span>`}
        </a>`;
      })}
    </nav>
    <div class="search"><${Search} query=${query} /><${LabelFilter} query=${query} tasks=${tasks} /></div>
  </div>`;
}

/** @param {{query: URLSearchParams}} props */
function Search({ query }) {
  const [text, setText] = useState(query.get("q") ?? "");
  useEffect(() => {
    const timer = setTimeout(() => text !== (query.get("q") ?? "") && setQuery({ q: text, cursor: "" }), 300);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => setText(query.get("q") ?? ""), [query.get("q")]);
  return html`<input
    type="search" placeholder="Words of the task" aria-label="Search by words of the task" maxlength="200"
    value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}
  />`;
}

/** @param {{page: import("../parts/resource.js").Resource<Page>, query: URLSearchParams}} props */
function Found({ page: { data, problem, loading, reload }, query }) {
  const running = data?.tasks.some((task) => !TERMINAL.has(task.status)) ?? false;
  const now = useNow(running);
  if (problem && !data) return html`<${ProblemBox} problem=${problem} retry=${reload} />`;
  if (!data) return html`<${Loading} />`;
  return html`
    ${problem && html`<p class="stale" role="status">What you see may be old: ${problem.message}</p>`}
    ${data.tasks.length ? html`<${Table} tasks=${data.tasks} now=${now} loading=${loading} />`
      : html`<${Nothing} query=${query} more=${data.next !== null} />`}
    <${Pages} query=${query} next=${data.next} shown=${data.tasks.length} />
  `;
}

/** @param {{tasks: Summary[], now: number, loading: boolean}} props */
function Table({ tasks, now, loading }) {
  return html`<table class="list" aria-busy=${loading}>
    <thead><tr>
      <th scope="col" class="fit">State</th><th scope="col">Task</th><th scope="col" class="fit wide">Steps</th>
      <th scope="col" class="fit num wide">Took</th><th scope="col" class="fit num wide">Submitted</th>
    </tr></thead>
    <tbody>${tasks.map((task) => html`<${Row} key=${task.task_id} task=${task} now=${now} />`)}</tbody>
  </table>`;
}

/** @param {{task: Summary, now: number}} props */
function Row({ task, now }) {
  // An API process of the version before says nothing of rests.
  const took = duration(Math.max(0, (task.finished_ms ?? now) - task.created_ms - (task.rested_ms ?? 0)));
  const when = ago(Math.max(0, now - task.created_ms));
  const done = task.steps - task.steps_left;
  const steps = stepsOf(task);
  return html`<tr>
    <td class="fit"><${Badge} status=${task.status} /></td>
    <td class="grow">
      <a class="row-link" href=${href(["tasks", task.task_id])}>${task.task || "(no words)"}</a>
      <div class="sub">
        <code>${shortId(task.task_id)}</code>
        <span class="narrow">${steps} steps · ${took} · ${when}</span>
        ${task.priority !== 5 && html`<span>priority ${task.priority}</span>`}
        ${Object.entries(task.labels).map(([name, value]) => html`<${Label} key=${name} text=${`${name}:${value}`} />`)}
      </div>
    </td>
    <td class="fit wide"><${Progress} done=${done} total=${task.steps} steps=${steps} status=${task.status} /></td>
    <td class="fit num wide">${took}</td>
    <td class="fit num wide"><time datetime=${exact(task.created_ms)} title=${exact(task.created_ms)}>${when}</time></td>
  </tr>`;
}

/** @param {{text: string}} props */
const Label = ({ text }) => html`<a class="tag" href=${href(["tasks"], { ...kept(route.value.query), label: text })}>${text}</a>`;

/** How many have ended, of how many; of a task that came to nothing all have, which says nothing. @param {Summary} task */
function stepsOf({ steps, steps_left: left, status }) {
  return TERMINAL.has(status) && status !== "completed" ? count(steps) : `${count(steps - left)}/${count(steps)}`;
}

/** @param {{done: number, total: number, steps: string, status: string}} props */
function Progress({ done, total, steps, status }) {
  return html`<span class="progress">
    <span class="bar" aria-hidden="true">
      <span class="fill tone-${status}" style=${{ width: `${total ? (100 * done) / total : 0}%` }}></span></span>
    <span class="num">${steps}</span>
  </span>`;
}

/** @param {{query: URLSearchParams, more: boolean}} props */
function Nothing({ query, more }) {
  if (more) return html`<${Empty} title="Nothing on this page matches; older tasks may." />`;
  if ([...query.keys()].length) return html`<${Empty} title="No task matches."><a href=${href(["tasks"])}>Show all tasks</a><//>`;
  return html`<${Empty} title="No tasks yet.">
    ${canSubmit.value ? html`<a class="button primary" href=${href(["submit"])}>Hand in the first one</a>`
      : html`<p>What is submitted appears here by itself.</p>`}
  <//>`;
}

/** @param {{query: URLSearchParams, next: string | null, shown: number}} props */
function Pages({ query, next, shown }) {
  const first = !query.get("cursor");
  if (first && !next) return null;
  return html`<nav class="pages" aria-label="Pages">
    ${first ? html`<span>Newest ${count(shown)}</span>` : html`<a class="button" href=${href(["tasks"], kept(query))}>Newest</a>`}
    ${next && html`<a class="button" href=${href(["tasks"], { ...Object.fromEntries(query), cursor: next })}>Older</a>`}
  </nav>`;
}

/** The filters without the place in the list. @param {URLSearchParams} query */
const kept = (query) => ({ ...Object.fromEntries(query), cursor: "" });
