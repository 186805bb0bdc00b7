/** The plan as a picture: steps as buttons, from left to right, with lines from what they wait for. */

import { counted } from "../format.js";
import { html, useMemo } from "../lib.js";
import { layout } from "../model/layout.js";
import { StatusIcon } from "./basics.js";

/** @import { Node, PlanStep } from "../model/layout.js" */

const WIDTH = 164;
const HEIGHT = 48;
const GAP_X = 36;
const GAP_Y = 16;
const ORDER = ["failed", "running", "retrying", "deferred", "limited", "held", "queued", "cancelled", "skipped", "completed", "waiting"];

/**
 * @param {{steps: PlanStep[], chosen?: number | null, choose?: (id: number) => void, shape: unknown}} props
 *   `shape` changes when steps or their dependencies do
 */
export function Graph({ steps, chosen = null, choose, shape }) {
  const drawn = useMemo(() => layout(steps), [shape]);
  const left = (/** @type {Node} */ node) => node.layer * (WIDTH + GAP_X) + 8;
  const top = (/** @type {Node} */ node) => (node.row + (drawn.rows - 1) / 2) * (HEIGHT + GAP_Y) + 8;
  const width = drawn.layers * (WIDTH + GAP_X) - GAP_X + 16;
  const height = drawn.rows * (HEIGHT + GAP_Y) - GAP_Y + 16;
  const state = new Map(steps.map((step) => [step.id, step.status ?? "waiting"]));
  return html`<div class="graph" tabindex="0" role="group" aria-label="Plan as a graph">
    ${drawn.grouped && html`<p class="hint">${counted(steps.length, "step")}: drawn by agent and layer. The timeline has each of them.</p>`}
    <div class="graph-plane" style=${{ width: `${width}px`, height: `${height}px` }}>
      <svg width=${width} height=${height} aria-hidden="true">
        ${drawn.edges.map(({ from, to }) =>
          html`<path key=${`${from.key}>${to.key}`} d=${curve(left(from) + WIDTH, top(from), left(to), top(to))} />`)}
      </svg>
      ${drawn.nodes.map(
        (node) => html`<${Box} key=${node.key} node=${node} left=${left(node)} top=${top(node)} state=${state}
          chosen=${node.steps.length === 1 && node.steps[0].id === chosen} choose=${choose} />`,
      )}
    </div>
  </div>`;
}

/** @param {{node: Node, left: number, top: number, state: Map<number, string>, chosen: boolean, choose?: (id: number) => void}} props */
function Box({ node, left, top, state, chosen, choose }) {
  const statuses = node.steps.map((step) => state.get(step.id) ?? "waiting");
  const status = ORDER.find((one) => statuses.includes(one)) ?? "waiting";
  const [first] = node.steps;
  const many = node.steps.length > 1;
  const done = statuses.filter((one) => one === "completed").length;
  const place = { left: `${left}px`, top: `${top}px`, width: `${WIDTH}px`, height: `${HEIGHT}px` };
  return html`<button
    type="button" class="node tone-${status} ${many ? "many" : ""}" style=${place} aria-pressed=${choose ? chosen : undefined}
    title=${first.about} disabled=${!choose} onClick=${() => choose?.(first.id)}
  >
    <${StatusIcon} status=${status} />
    <span class="node-text">
      <span class="node-name">${many ? `${node.steps.length} × ${first.agent}` : first.agent}</span>
      <span class="node-sub">${many ? `${done} of ${node.steps.length} done` : first.about || `step ${first.id} · ${status}`}</span>
    </span>
  </button>`;
}

/** @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
function curve(x1, y1, x2, y2) {
  const [from, to, bend] = [y1 + HEIGHT / 2, y2 + HEIGHT / 2, GAP_X / 2];
  return `M${x1} ${from}C${x1 + bend} ${from} ${x2 - bend} ${to} ${x2} ${to}`;
}
