/** A list of rows of one height, of which only those in sight exist. */

import { html, useEffect, useRef, useState } from "../lib.js";

const MARGIN = 8;

/**
 * @param {{count: number, rowHeight: number, row: (index: number) => any, label: string, class?: string,
 *   heightMax: number, role?: string, follow?: boolean}} props `follow` keeps the end in sight while it grows
 */
export function Virtual({ count, rowHeight, row, label, class: name = "", heightMax, role = "list", follow = false }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [top, setTop] = useState(0);
  const height = Math.min(heightMax, count * rowHeight);
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = count * rowHeight;
  }, [follow, count]);
  const first = Math.max(0, Math.floor(top / rowHeight) - MARGIN);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + MARGIN);
  const rows = [];
  for (let index = first; index < last; index += 1) rows.push(row(index));
  return html`<div
    ref=${box} class="virtual ${name}" role=${role} aria-label=${label} tabindex="0"
    style=${{ height: `${height}px` }} onScroll=${(/** @type {any} */ event) => setTop(event.target.scrollTop)}
  >
    <div role="presentation" style=${{ height: `${count * rowHeight}px`, position: "relative" }}>
      <div role="presentation" style=${{ transform: `translateY(${first * rowHeight}px)` }}>${rows}</div>
    </div>
  </div>`;
}
