/** Small parts that every view uses. */

import { html, useEffect, useRef, useState } from "../lib.js";

/** @import { Problem } from "../api.js" */

/** Shapes beside the colours, so that nobody has to tell states by colour alone. @type {Record<string, string>} */
const SHAPES = {
  waiting: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 1.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9Z",
  queued: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm.75 3v3.2l2.3 1.9-.9 1.1L7.25 8.3V4.5h1.5Z",
  running: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM6.5 5l4.5 3-4.5 3V5Z",
  paused: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM5.5 5H7v6H5.5V5Zm3.5 0h1.5v6H9V5Z",
  completed: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm3.2 4.6L7.4 10.9 4.9 8.6l1-1.1 1.4 1.3 2.7-3.6 1.2.9Z",
  failed: "M8 1.5 1 14h14L8 1.5Zm.75 4.5v4h-1.5V6h1.5Zm0 5v1.5h-1.5V11h1.5Z",
  cancelled: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM5.5 5.5h5v5h-5v-5Z",
  skipped: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM4.5 5l3.5 3-3.5 3V5Zm4.5 0h1.5v6H9V5Z",
  retrying: "M8 2.5a5.5 5.5 0 0 1 4.6 2.5H11v1.5h4v-4h-1.5v1.3A7 7 0 1 0 15 8h-1.5A5.5 5.5 0 1 1 8 2.5Z",
};
/** @type {Record<string, string>} */
const SHAPE_OF = { cancelling: "cancelled", expired: "failed", held: "paused", limited: "paused", deferred: "queued" };

/** @param {{status: string}} props */
export function StatusIcon({ status }) {
  const shape = SHAPES[SHAPE_OF[status] ?? status] ?? SHAPES.waiting;
  return html`<svg class="icon tone-${status}" viewBox="0 0 16 16" aria-hidden="true"><path d=${shape} /></svg>`;
}

/** @param {{status: string, label?: string}} props */
export const Badge = ({ status, label = status }) =>
  html`<span class="badge tone-${status}"><${StatusIcon} status=${status} />${label}</span>`;

/** @param {{children?: any, title: string}} props */
export const Empty = ({ title, children }) => html`<div class="empty"><p class="empty-title">${title}</p>${children}</div>`;

/** @param {{what?: string}} props */
export const Loading = ({ what = "Loading" }) => html`<div class="empty" role="status"><p>${what} …</p></div>`;

/** @param {{problem: Problem, retry?: () => void}} props */
export function ProblemBox({ problem, retry }) {
  return html`<div class="problem" role="alert">
    <p><strong>${problem.title || "That did not work"}.</strong> ${problem.message}</p>
    ${problem.errors?.length > 0 &&
    html`<ul>
      ${problem.errors.map((error) => html`<li><code>${error.pointer ?? error.parameter}</code> ${error.detail}</li>`)}
    </ul>`}
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

/** @param {{text: () => string, label?: string}} props */
export function CopyButton({ text, label = "Copy" }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), 2_000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setSaid("Copied");
    } catch {
      setSaid(copyOldWay(text()) ? "Copied" : "Not allowed");
    }
  };
  return html`<button type="button" class="quiet" onClick=${copy}>
    ${said || label}<span class="hidden" role="status">${said}</span>
  </button>`;
}

/** Where a page that is not served over https may not use the clipboard. @param {string} text */
function copyOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  // Beside an open dialog nothing can be selected.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** A choice between panels, kept in the address by whoever uses it.
 * @param {{label: string, tabs: {id: string, title: any}[], chosen: string, choose: (id: string) => void}} props */
export function Tabs({ label, tabs, chosen, choose }) {
  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.findIndex((tab) => tab.id === chosen) + step + tabs.length) % tabs.length];
    choose(next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${onKey}>
    ${tabs.map(
      ({ id, title }) =>
        html`<button
          key=${id} id="tab-${id}" role="tab" type="button" aria-selected=${id === chosen} aria-controls="panel"
          tabindex=${id === chosen ? 0 : -1} onClick=${() => choose(id)}
        >${title}</button>`,
    )}
  </div>`;
}

/** A modal dialog; Escape and the button beside its title close it.
 * @param {{title: string, close: () => void, children?: any, wide?: boolean}} props */
export function Dialog({ title, close, children, wide = false }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  return html`<dialog
    ref=${element} class=${wide ? "wide" : ""} aria-label=${title} onClose=${close}
    onClick=${(/** @type {MouseEvent} */ event) => event.target === element.current && close()}
  >
    <div class="dialog-body">
      <header class="dialog-head">
        <h2 tabindex="-1" autofocus>${title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick=${close}>✕</button>
      </header>
      ${children}
    </div>
  </dialog>`;
}

/** Sets what the browser's tab says. @param {string} title */
export function useTitle(title) {
  useEffect(() => {
    document.title = title ? `${title} · Stepstream` : "Stepstream";
  }, [title]);
}
