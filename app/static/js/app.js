/** The frame around all views: where one can go, whether events flow, who is here, light or dark. */

import { meet, Problem } from "./api.js";
import { html, useEffect, useRef, useState } from "./lib.js";
import { newer } from "./newer.js";
import { Empty, Loading, ProblemBox } from "./parts/basics.js";
import { KeyDialog } from "./parts/key_dialog.js";
import { unknown } from "./parts/resource.js";
import { ThemeButton } from "./parts/theme.js";
import { href, route } from "./router.js";
import { caller, canSubmit, isAdmin, key, keyWanted } from "./session.js";
import { liveness } from "./stream.js";
import { Letters } from "./views/letters.js";
import { Queues } from "./views/queues.js";
import { Submit } from "./views/submit.js";
import { System } from "./views/system.js";
import { Task } from "./views/task.js";
import { Tasks } from "./views/tasks.js";
import { Workers } from "./views/workers.js";

const VIEWS = [
  { id: "tasks", title: "Tasks", view: Tasks, admin: false },
  { id: "queues", title: "Queues", view: Queues, admin: true },
  { id: "workers", title: "Workers", view: Workers, admin: true },
  { id: "dead-letters", title: "Dead letters", view: Letters, admin: true },
  { id: "system", title: "System", view: System, admin: true },
];
const WORDS = {
  idle: "", connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", ended: "Ended", refused: "No stream",
};

export function App() {
  const problem = useMeeting();
  const asking = keyWanted.value !== "";
  return html`
    <button class="skip" type="button" onClick=${toContent}>Skip to content</button>
    <${Top} />
    <${Newer} />
    <main id="main" tabindex="-1">
      ${caller.value ? html`<${View} />` : problem && !asking ? html`<${Unmet} problem=${problem} />` : asking ?
        html`<${Asked} />` : html`<${Loading} what="Connecting to the server" />`}
    </main>
    ${asking && html`<${KeyDialog} />`}
  `;
}

/** There is a newer version of this page; when it is taken is for whoever is here to say. */
function Newer() {
  const [later, setLater] = useState(false);
  return html`<div class="newer" role="status">${newer.value && !later && html`<p>The server has another version of this page.
    ${key.value && " It will ask for your key again, unless the tab keeps it."}</p>
    <button type="button" class="primary" onClick=${() => location.reload()}>Reload</button>
    <button type="button" class="quiet" onClick=${() => setLater(true)}>Later</button>`}</div>`;
}

const toContent = () => document.getElementById("main")?.focus();

/** Asks the server who we are, now and whenever the key changes, until it answers. */
function useMeeting() {
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const known = key.value;
  useEffect(() => {
    let timer = 0;
    const ask = () =>
      meet().then(
        () => setProblem(null),
        (error) => {
          const found = error instanceof Problem ? error : unknown(error);
          setProblem(found);
          if (found.passing) timer = setTimeout(ask, Math.max(3_000, found.retryAfterMs));
        },
      );
    void ask();
    return () => clearTimeout(timer);
  }, [known]);
  return problem;
}

/** @param {{problem: Problem}} props */
function Unmet({ problem }) {
  const about = problem.status === 403 ? "The dashboard shows what a key with the scope read may see." : "";
  return html`<h1>Not connected</h1>
    <${ProblemBox} problem=${problem} />
    <p>${about}</p>
    <button type="button" onClick=${() => (keyWanted.value = "Another key, then.")}>Use another key</button>`;
}

const Asked = () => html`<h1>Who is there?</h1>
  <${Empty} title="This server asks for a key."><p>Nothing is shown without one.</p><//>`;

function View() {
  const { path } = route.value;
  const [section = "tasks", id = ""] = path;
  const before = useRef("");
  const place = path.join("/");
  useEffect(() => {
    // Whoever reads by ear or by keyboard begins at the new view; at the first one they are anyway.
    if (before.current !== "") toContent();
    before.current = place || "tasks";
    scrollTo(0, 0);
  }, [place]);
  if (section === "tasks" && id) return html`<${Task} key=${id} taskId=${id} />`;
  if (section === "submit" && canSubmit.value) return html`<${Submit} />`;
  const found = VIEWS.find((view) => view.id === section);
  if (!found || id) return html`<${Lost} />`;
  if (found.admin && !isAdmin.value) return html`<${Lost} />`;
  return html`<${found.view} />`;
}

const Lost = () => html`<h1>Nothing here</h1>
  <${Empty} title="There is no such view, or your key does not open it."><a href=${href(["tasks"])}>To the tasks</a><//>`;

function Top() {
  const [section = "tasks"] = route.value.path;
  const shown = VIEWS.filter((view) => caller.value && (!view.admin || isAdmin.value));
  return html`<header class="top">
    <a class="brand" aria-label="Stepstream" href=${href(["tasks"])}><${Mark} /><span>Stepstream</span></a>
    <nav aria-label="Views">
      ${shown.map(
        ({ id, title }) => html`<a key=${id} href=${href([id])} aria-current=${id === section ? "page" : undefined}>${title}</a>`,
      )}
    </nav>
    <div class="top-end">
      <${Live} />
      ${canSubmit.value && html`<a class="button primary" href=${href(["submit"])}>New task</a>`}
      <${ThemeButton} />
      <button type="button" class="quiet" onClick=${() => (keyWanted.value = who())} title=${who()}>
        ${caller.value && key.value ? caller.value.name : "Key"}
      </button>
    </div>
  </header>`;
}

function who() {
  const found = caller.value;
  if (!found) return "No key is in use.";
  return key.value
    ? `You are “${found.name}” of “${found.tenant}”: ${found.scopes.join(", ")}.`
    : "No key is in use: none is needed at this machine.";
}

function Live() {
  const { state, detail } = liveness.value;
  return html`<span class="live live-${state}" role="status" title=${detail || undefined}>
    ${WORDS[state] && html`<span class="dot" aria-hidden="true"></span>${WORDS[state]}`}
  </span>`;
}

const Mark = () => html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
  <rect x="2" y="5" width="17" height="6" rx="3" /><rect x="8" y="13" width="17" height="6" rx="3" opacity=".75" />
  <rect x="16" y="21" width="14" height="6" rx="3" opacity=".5" />
</svg>`;
