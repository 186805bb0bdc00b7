/**
 * Where the steps of a plan stand in a picture: layers by longest way from a beginning, order within a layer by where
 * the neighbours are. A large plan is drawn by groups: the steps of one agent in one layer. A group can be opened; one of
 * very many steps opens into parts.
 */

/**
 * @typedef {{id: number, agent: string, deps: number[], status?: string, about?: string}} PlanStep
 * @typedef {{key: string, steps: PlanStep[], layer: number, row: number}} Node
 * @typedef {{from: Node, to: Node}} Edge
 * @typedef {{nodes: Node[], edges: Edge[], columns: Node[][], grouped: boolean}} Layout `columns`: the nodes by layer, in order
 */

export const DRAWN_MAX = 120;
/** Steps that an opened group shows at once. */
export const PART = 100;
const SWEEPS = 4;
/** What is over and asks for nobody's attention. */
const FINISHED = new Set(["completed", "skipped", "cancelled"]);

/** Those that are not finished. @template {PlanStep} T @param {T[]} steps @returns {T[]} */
export const unfinished = (steps) => steps.filter((step) => !FINISHED.has(step.status ?? ""));

/** @param {PlanStep[]} steps @param {ReadonlySet<string>} [opened] keys of groups and parts @returns {Layout} */
export function layout(steps, opened = new Set()) {
  const layerOf = layers(steps);
  const grouped = steps.length > DRAWN_MAX;
  const keyOf = grouped ? groupKeys(steps, layerOf, opened) : (/** @type {PlanStep} */ step) => String(step.id);
  /** @type {Map<string, Node>} */
  const nodes = new Map();
  /** @type {Map<number, Node>} */
  const nodeOf = new Map();
  for (const step of steps) {
    const layer = layerOf.get(step.id) ?? 0;
    const key = keyOf(step);
    const node = nodes.get(key) ?? { key, steps: [], layer, row: 0 };
    node.steps.push(step);
    nodes.set(key, node);
    nodeOf.set(step.id, node);
  }
  const edges = edgesOf(steps, nodeOf);
  const columns = arranged([...nodes.values()], edges);
  return { nodes: [...nodes.values()], edges, columns, grouped };
}

/** Where each step is drawn: in its group, in a part of it, or by itself.
 * @param {PlanStep[]} steps @param {Map<number, number>} layerOf @param {ReadonlySet<string>} opened */
function groupKeys(steps, layerOf, opened) {
  const groupOf = (/** @type {PlanStep} */ step) => `${layerOf.get(step.id) ?? 0}:${step.agent}`;
  /** @type {Map<string, number>} */
  const sizes = new Map();
  for (const step of steps) sizes.set(groupOf(step), (sizes.get(groupOf(step)) ?? 0) + 1);
  /** @type {Map<string, number>} */
  const seen = new Map();
  return (/** @type {PlanStep} */ step) => {
    const group = groupOf(step);
    const index = seen.get(group) ?? 0;
    seen.set(group, index + 1);
    const part = `${group}#${Math.floor(index / PART)}`;
    if (!opened.has(group)) return group;
    return (sizes.get(group) ?? 0) <= PART || opened.has(part) ? String(step.id) : part;
  };
}

/** The steps in the order in which they can run: by layer, then by id; steps that were added stand where they belong.
 * @template {PlanStep} T @param {T[]} steps @returns {T[]} */
export function inOrder(steps) {
  const layerOf = layers(steps);
  return [...steps].sort((a, b) => (layerOf.get(a.id) ?? 0) - (layerOf.get(b.id) ?? 0) || a.id - b.id);
}

/** Each step one layer behind the last of those it waits for. @param {PlanStep[]} steps */
function layers(steps) {
  const known = new Map(steps.map((step) => [step.id, step]));
  /** @type {Map<number, number>} */
  const found = new Map();
  const open = new Map(steps.map((step) => [step.id, step.deps.filter((id) => known.has(id)).length]));
  /** @type {Map<number, PlanStep[]>} */
  const children = new Map();
  for (const step of steps) {
    for (const id of step.deps) {
      const below = children.get(id);
      if (below) below.push(step);
      else children.set(id, [step]);
    }
  }
  let front = steps.filter((step) => open.get(step.id) === 0);
  for (let layer = 0; front.length; layer += 1) {
    const next = [];
    for (const step of front) {
      found.set(step.id, layer);
      for (const child of children.get(step.id) ?? []) {
        open.set(child.id, (open.get(child.id) ?? 0) - 1);
        if (open.get(child.id) === 0) next.push(child);
      }
    }
    front = next;
  }
  return found;
}

/** @param {PlanStep[]} steps @param {Map<number, Node>} nodeOf */
function edgesOf(steps, nodeOf) {
  /** @type {Map<string, Edge>} */
  const found = new Map();
  for (const step of steps) {
    for (const id of step.deps) {
      const [from, to] = [nodeOf.get(id), nodeOf.get(step.id)];
      if (from && to && from !== to) found.set(`${from.key}>${to.key}`, { from, to });
    }
  }
  return [...found.values()];
}

/** Sets the rows; returns the nodes by layer. @param {Node[]} nodes @param {Edge[]} edges */
function arranged(nodes, edges) {
  /** @type {Node[][]} */
  const columns = [];
  for (const node of nodes) (columns[node.layer] ??= []).push(node);
  const neighbours = new Map(nodes.map((node) => [node, /** @type {Node[]} */ ([])]));
  for (const { from, to } of edges) {
    neighbours.get(from)?.push(to);
    neighbours.get(to)?.push(from);
  }
  for (const column of columns) place(column);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const column of sweep % 2 ? [...columns].reverse() : columns) {
      const weight = new Map(column.map((node) => [node, middle(node, neighbours.get(node) ?? [])]));
      place(column.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0)));
    }
  }
  return columns;
}

/** The column stands around the middle line, which is row 0. @param {Node[]} column */
function place(column) {
  column.forEach((node, index) => (node.row = index - (column.length - 1) / 2));
}

/** @param {Node} node @param {Node[]} neighbours */
function middle(node, neighbours) {
  return neighbours.length ? neighbours.reduce((sum, other) => sum + other.row, 0) / neighbours.length : node.row;
}
