/**
 * A layout on a plane: which way it flows, where each box is, and the lines between them. A layer that would be one
 * endless line of boxes is laid in several, and what leads past boxes of its own layer runs between them.
 */

import { isUpright, READABLE } from "./zoom.js";

/** @import { Layout, Node } from "./layout.js" */
/** @typedef {{width: number, height: number}} Size px */
/** @typedef {Size & {upright: boolean, lines: number[]}} Plane `lines` is how many a layer is laid in */
/** @typedef {{along: number, aside: number}} Point */
/** @typedef {{left: number, top: number, begin: number, end: number}} Place `begin` to `end` is its layer, along the flow */

export const WIDTH = 164;
export const HEIGHT = 48;
const MARGIN = 8;
/** Between layers, and between neighbours within one. */
const GAP = 36;
const SIDE = 16;
/** How far from a box a line runs that leads past it: those that come and those that go, side by side. */
const PAST = 5;

/**
 * The plane that shows the most in a box of that size: whole and in one line per layer if that can be read, else with
 * large layers in several lines.
 * @param {Layout} drawn @param {Size} room @returns {Plane}
 */
export function planeOf(drawn, room) {
  const sizes = drawn.columns.map((column) => column.length);
  const most = Math.max(1, ...sizes);
  const [across, down] = [sized(sizes, most, false), sized(sizes, most, true)];
  const upright = isUpright(across.width, down.width, room.width);
  const plain = upright ? down : across;
  if (!room.width || wholeAt(plain, room) >= READABLE) return plain;
  const others = Array.from({ length: most - 1 }, (_, index) => most - 1 - index)
    .flatMap((long) => [sized(sizes, long, upright), sized(sizes, long, !upright)]);
  return others.reduce((best, one) => (isBetter(one, best, room) ? one : best), plain);
}

/** Whether it can be read where the other cannot, or else is more of it in sight. @param {Plane} one @param {Plane} best @param {Size} room */
function isBetter(one, best, room) {
  const [width, bestWidth] = [one, best].map((plane) => Math.min(READABLE, room.width / plane.width));
  return width > bestWidth || (width === bestWidth && wholeAt(one, room) > wholeAt(best, room));
}

/** The scale at which all of it is in sight. @param {Size} plane @param {Size} room */
const wholeAt = (plane, room) => Math.min(1, room.width / plane.width, room.height / plane.height);

/** With at most `long` boxes in a line. @param {number[]} sizes of the layers @param {number} long @param {boolean} upright @returns {Plane} */
function sized(sizes, long, upright) {
  const lines = sizes.map((size) => Math.ceil(size / long));
  const longest = Math.max(0, ...sizes.map((size, layer) => Math.ceil(size / lines[layer])));
  const along = lines.reduce((sum, many) => sum + depth(many, upright) + GAP, 0) - GAP + 2 * MARGIN;
  const aside = longest * ((upright ? WIDTH : HEIGHT) + SIDE) - SIDE + 2 * MARGIN;
  return { upright, lines, width: upright ? aside : along, height: upright ? along : aside };
}

/** What so many lines take along the flow. @param {number} lines @param {boolean} upright */
const depth = (lines, upright) => lines * ((upright ? HEIGHT : WIDTH) + SIDE) - SIDE;

/** Where the boxes are. @param {Layout} drawn @param {Plane} plane @returns {Map<Node, Place>} */
export function placesOf({ columns }, { upright, lines, width, height }) {
  /** @type {Map<Node, Place>} */
  const places = new Map();
  const [step, wide, middle] = upright ? [HEIGHT + SIDE, WIDTH + SIDE, (width + SIDE) / 2] : [WIDTH + SIDE, HEIGHT + SIDE, (height + SIDE) / 2];
  let begin = MARGIN;
  columns.forEach((column, layer) => {
    const long = Math.ceil(column.length / lines[layer]);
    const end = begin + depth(lines[layer], upright);
    column.forEach((node, index) => {
      const along = begin + Math.floor(index / long) * step;
      const aside = middle + ((index % long) - long / 2) * wide;
      places.set(node, { left: upright ? aside : along, top: upright ? along : aside, begin, end });
    });
    begin = end + GAP;
  });
  return places;
}

/** The line of an edge, as a path. @param {Place} from @param {Place} to @param {boolean} upright */
export function pathOf(from, to, upright) {
  const [long, wide] = upright ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT];
  const [a, b] = [from, to].map(({ left, top }) => (upright ? { along: top, aside: left } : { along: left, aside: top }));
  const points = [{ along: a.along + long, aside: a.aside + wide / 2 }];
  // Past the boxes behind it, and past those before the other one.
  if (a.along + long < from.end) points.push(...lane(a.along + long + SIDE, from.end, a.aside + wide + PAST));
  if (b.along > to.begin) points.push(...lane(to.begin, b.along - SIDE, b.aside - PAST));
  points.push({ along: b.along, aside: b.aside + wide / 2 });
  const at = (/** @type {Point} */ { along, aside }) => (upright ? `${aside} ${along}` : `${along} ${aside}`);
  return points.slice(1).reduce((path, point, index) => path + bent(points[index], point, at), `M${at(points[0])}`);
}

/** @param {number} from @param {number} to @param {number} aside @returns {Point[]} */
const lane = (from, to, aside) => [{ along: from, aside }, { along: to, aside }];

/** @param {Point} from @param {Point} to @param {(point: Point) => string} at */
function bent(from, to, at) {
  if (from.aside === to.aside) return `L${at(to)}`;
  const bend = Math.min(GAP, to.along - from.along) / 2;
  return `C${at({ ...from, along: from.along + bend })} ${at({ ...to, along: to.along - bend })} ${at(to)}`;
}
