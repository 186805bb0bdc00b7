/** The plan as a picture: steps as buttons, with lines from what they wait for; it fits its box and can be zoomed. */

import { counted } from "../format.js";
import { html, useLayoutEffect, useMemo, useRef, useState } from "../lib.js";
import { layout, unfinished } from "../model/layout.js";
import { HEIGHT, pathOf, placesOf, planeOf, WIDTH } from "../model/plane.js";
import { fitting, limited } from "../model/zoom.js";
import { Empty, StatusIcon } from "./basics.js";
import { onKey, useGestures, ZoomButtons } from "./gestures.js";

/** @import { Layout, Node, PlanStep } from "../model/layout.js" */
/** @import { Place } from "../model/plane.js" */

/** Of the window's height that the picture may take, as its style has it. */
const HIGH = 0.75;
const ORDER = ["failed", "running", "retrying", "deferred", "limited", "held", "queued", "cancelled", "skipped", "completed", "waiting"];

/**
 * @param {{steps: PlanStep[], chosen?: number | null, choose?: (id: number) => void, shape: unknown, hide?: boolean,
 *   setHide?: (hide: boolean) => void}} props `shape` changes when steps or their dependencies do; `hide` what is finished
 */
export function Graph({ steps, chosen = null, choose, shape, hide = false, setHide }) {
  const [opened, setOpened] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  const seen = hide ? unfinished(steps) : steps;
  const which = hide ? seen.reduce((sum, step) => (sum * 31 + step.id) % 1e9, seen.length) : -1;
  const drawn = useMemo(() => layout(seen, opened), [shape, which, opened]);
  const canvas = useCanvas(drawn);
  const state = new Map(steps.map((step) => [step.id, step.status ?? "waiting"]));
  const next = useFocus(drawn);
  /** @param {Node} node */
  const act = ({ key, steps: [first, ...others] }) => {
    if (!others.length) return choose?.(first.id);
    next.current = first.id;
    setOpened(new Set([...opened, key]));
  };
  const close = () => {
    canvas.box.current?.focus();
    setOpened(new Set());
  };
  return html`<section class="graph-box" aria-label="Plan as a graph">
    <div class="picture-tools">
      ${setHide && html`<button type="button" class="quiet" aria-pressed=${hide} onClick=${() => setHide(!hide)}>Hide finished</button>`}
      ${opened.size > 0 && html`<button type="button" class="quiet" onClick=${close}>Close groups</button>`}
      ${drawn.grouped && !opened.size && html`<span class="hint">${counted(seen.length, "step")} by agent and layer; a group opens with a click.</span>`}
      <${ZoomButtons} by=${canvas.by} fit=${canvas.fit} whole=${canvas.whole} text=${`${Math.round(100 * canvas.scale)} %`} />
    </div>
    <div class="graph" ref=${canvas.box} tabindex="0" role="group" aria-label="Steps and what they wait for"
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => onKey(event, canvas)}>
      ${seen.length ? html`<${Plane} drawn=${drawn} canvas=${canvas} state=${state} chosen=${chosen} act=${act} can=${Boolean(choose)} />`
        : html`<${Empty} title=${steps.length ? "All steps are finished." : "There is no plan."} />`}
    </div>
  </section>`;
}

/** When a group has opened, the keyboard goes on at its first step. @param {Layout} drawn */
function useFocus(drawn) {
  const step = useRef(/** @type {number | null} */ (null));
  useLayoutEffect(() => {
    const node = step.current === null ? null : drawn.nodes.find(({ steps }) => steps[0].id === step.current);
    if (node) document.getElementById(`node-${node.key}`)?.focus();
    step.current = null;
  }, [drawn]);
  return step;
}

/** The scale of the picture, its direction, and what changes them. @param {Layout} drawn */
function useCanvas(drawn) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [room, setRoom] = useState({ width: 0, height: 0 });
  const [chosen, setChosen] = useState(/** @type {number | null} */ (null));
  const anchor = useRef(/** @type {{x: number, y: number, factor: number} | null} */ (null));
  useLayoutEffect(() => {
    const element = /** @type {HTMLDivElement} */ (box.current);
    // Without its border and its own scroll bar, which comes and goes with what is in it.
    const measure = () => setRoom({ width: element.clientWidth, height: HIGH * innerHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  const plane = useMemo(() => planeOf(drawn, room), [drawn, room.width, room.height]);
  const places = useMemo(() => placesOf(drawn, plane), [drawn, plane]);
  const scale = chosen ?? fitting(plane, room);
  useLayoutEffect(() => keepInPlace(box.current, anchor), [scale]);
  /** @param {number} factor @param {number} [x] @param {number} [y] */
  const zoom = (factor, x, y) => {
    const frame = box.current?.getBoundingClientRect();
    const next = limited(scale * factor);
    if (!frame || next === scale) return;
    anchor.current = { x: (x ?? frame.left + frame.width / 2) - frame.left, y: (y ?? frame.top + frame.height / 2) - frame.top, factor: next / scale };
    setChosen(next);
  };
  const pan = (/** @type {number} */ dx, /** @type {number} */ dy) => box.current?.scrollBy(-dx, -dy);
  const fit = () => setChosen(null);
  useGestures(box, { zoom, pan, fit, drag: "mouse" });
  return { box, plane, places, scale, whole: chosen === null, by: (/** @type {number} */ factor) => zoom(factor), fit };
}

/** What was under the pointer stays there. @param {HTMLElement | null} box @param {{current: {x: number, y: number, factor: number} | null}} anchor */
function keepInPlace(box, anchor) {
  const at = anchor.current;
  anchor.current = null;
  if (box && at) box.scrollTo((box.scrollLeft + at.x) * at.factor - at.x, (box.scrollTop + at.y) * at.factor - at.y);
}

/** @param {{drawn: Layout, canvas: ReturnType<typeof useCanvas>, state: Map<number, string>, chosen: number | null, act: (node: Node) => void, can: boolean}} props */
function Plane({ drawn, canvas: { plane, places, scale }, state, chosen, act, can }) {
  const place = (/** @type {Node} */ node) => /** @type {Place} */ (places.get(node));
  const outer = { width: `${Math.floor(plane.width * scale)}px`, height: `${Math.floor(plane.height * scale)}px` };
  const inner = { width: `${plane.width}px`, height: `${plane.height}px`, transform: `scale(${scale})` };
  return html`<div class="graph-room" style=${outer}><div class="graph-plane" style=${inner}>
    <svg width=${plane.width} height=${plane.height} aria-hidden="true">
      ${drawn.edges.map(({ from, to }) => html`<path key=${`${from.key}>${to.key}`} d=${pathOf(place(from), place(to), plane.upright)} />`)}
    </svg>
    ${drawn.nodes.map((node) => html`<${Box} key=${node.key} node=${node} place=${place(node)} state=${state}
      chosen=${node.steps.length === 1 && node.steps[0].id === chosen} act=${act} can=${can} />`)}
  </div></div>`;
}

/** @param {{node: Node, place: Place, state: Map<number, string>, chosen: boolean, act: (node: Node) => void, can: boolean}} props */
function Box({ node, place, state, chosen, act, can }) {
  const statuses = node.steps.map((step) => state.get(step.id) ?? "waiting");
  const status = ORDER.find((one) => statuses.includes(one)) ?? "waiting";
  const [first] = node.steps;
  const many = node.steps.length > 1;
  const done = statuses.filter((one) => one === "completed").length;
  const last = node.steps.at(-1)?.id;
  const ids = node.key.includes("#") ? `${first.id}–${last} · ` : "";
  const style = { left: `${place.left}px`, top: `${place.top}px`, width: `${WIDTH}px`, height: `${HEIGHT}px` };
  return html`<button
    id="node-${node.key}" type="button" class="node tone-${status} ${many ? "many" : ""}" style=${style} aria-pressed=${can && !many ? chosen : undefined}
    aria-expanded=${many ? false : undefined} title=${many ? `steps ${first.id} to ${last}: open` : first.about}
    disabled=${!can && !many} onClick=${() => act(node)}
  >
    <${StatusIcon} status=${status} />
    <span class="node-text">
      <span class="node-name">${many ? `${node.steps.length} × ${first.agent}` : `${first.id} ${first.agent}`}</span>
      <span class="node-sub">${many ? `${ids}${done}${ids ? "" : ` of ${node.steps.length}`} done` : first.about || status}</span>
    </span>
  </button>`;
}
