/**
 * Zooming and moving a picture by hand: the wheel with Ctrl (which is what a touchpad's pinch sends too), a mouse that
 * drags, two fingers that spread, and keys. Nothing moves by itself.
 */

import { html, useEffect, useRef } from "../lib.js";
import { STEP } from "../model/zoom.js";

/** How far a pointer goes before it drags rather than clicks, px. */
const SLACK = 5;
const WHEEL = 0.0025;

/**
 * @typedef {{zoom: (factor: number, x: number, y: number) => void, pan: (dx: number, dy: number) => void, fit: () => void,
 *   drag: "mouse" | "all" | "none"}} Hands
 *   places and distances are px of the window; `drag` is what drags: the mouse, or a finger as well, which else scrolls
 */

/** Listens at an element. @param {{current: HTMLElement | null}} box @param {Hands} hands */
export function useGestures(box, hands) {
  const latest = useRef(hands);
  latest.current = hands;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const grip = new Grip(element, () => latest.current);
    return () => grip.leave();
  }, []);
}

/** The pointers that are down, and what they do. */
class Grip {
  /** @param {HTMLElement} element @param {() => Hands} hands */
  constructor(element, hands) {
    this.element = element;
    this.hands = hands;
    /** @type {Map<number, {x: number, y: number}>} */
    this.down = new Map();
    this.dragging = false;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false, signal });
    element.addEventListener("pointerdown", (event) => this.press(event), { signal });
    element.addEventListener("pointermove", (event) => this.move(event), { signal });
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
      element.addEventListener(name, (event) => this.lift(event), { signal });
    }
    // A drag that began on a step is no click on it.
    element.addEventListener("click", (event) => this.click(event), { capture: true, signal });
    element.addEventListener("dragstart", (event) => event.preventDefault(), { signal });
  }

  leave() {
    this.leaving.abort();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.hands().zoom(Math.exp(-event.deltaY * WHEEL), event.clientX, event.clientY);
    } else if (this.hands().drag === "all" && event.deltaX) {
      event.preventDefault();
      this.hands().pan(-event.deltaX, 0);
    }
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (!this.down.size) this.dragging = false;
    this.down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  /** @param {PointerEvent} event */
  move(event) {
    const before = this.down.get(event.pointerId);
    if (!before) return;
    const { clientX: x, clientY: y } = event;
    const other = [...this.down].find(([id]) => id !== event.pointerId)?.[1];
    if (other) this.pinch(before, { x, y }, other);
    else if (this.drags(event)) {
      if (!this.dragging && Math.hypot(x - before.x, y - before.y) < SLACK) return;
      this.take(event.pointerId);
      this.hands().pan(x - before.x, y - before.y);
    }
    this.down.set(event.pointerId, { x, y });
  }

  /** @param {PointerEvent} event */
  drags({ pointerType }) {
    const { drag } = this.hands();
    return drag === "all" || (drag === "mouse" && pointerType === "mouse");
  }

  /** @param {{x: number, y: number}} before @param {{x: number, y: number}} now @param {{x: number, y: number}} other */
  pinch(before, now, other) {
    this.dragging = true;
    const length = (/** @type {{x: number, y: number}} */ at) => Math.hypot(at.x - other.x, at.y - other.y);
    if (length(before) < 1) return;
    this.hands().zoom(length(now) / length(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
  }

  /** From here on the pointer drags, also outside of the element. @param {number} id */
  take(id) {
    if (this.dragging) return;
    this.dragging = true;
    this.element.setPointerCapture(id);
    this.element.classList.add("dragging");
  }

  /** @param {PointerEvent} event */
  lift(event) {
    this.down.delete(event.pointerId);
    if (!this.down.size) this.element.classList.remove("dragging");
  }

  /** @param {MouseEvent} event */
  click(event) {
    // The keyboard clicks too, and has dragged nothing.
    if (!this.dragging || event.detail === 0) return;
    this.dragging = false;
    event.stopPropagation();
    event.preventDefault();
  }
}

/** What a key does to a picture; false for keys that are none of its own.
 * @param {KeyboardEvent} event @param {{by: (factor: number) => void, fit: () => void, pan?: (share: number) => void}} hands */
export function onKey(event, { by, fit, pan }) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  /** @type {Record<string, (() => void) | undefined>} */
  const keys = {
    "+": () => by(STEP), "=": () => by(STEP), "-": () => by(1 / STEP), 0: fit,
    ArrowLeft: pan && (() => pan(-0.2)), ArrowRight: pan && (() => pan(0.2)),
  };
  const act = keys[event.key];
  if (!act) return false;
  event.preventDefault();
  act();
  return true;
}

/** @param {{by: (factor: number) => void, fit: () => void, whole: boolean, text: string}} props `text` is how large the picture is */
export const ZoomButtons = ({ by, fit, whole, text }) => html`<div class="zoom" role="group" aria-label="Size of the picture">
  <button type="button" class="quiet" aria-label="Zoom out" title="Zoom out (−)" onClick=${() => by(1 / STEP)}>−</button>
  <span class="hint num">${text}</span>
  <button type="button" class="quiet" aria-label="Zoom in" title="Zoom in (+)" onClick=${() => by(STEP)}>+</button>
  <button type="button" class="quiet" title="All of it (0)" aria-pressed=${whole} onClick=${fit}>Fit</button>
</div>`;
