/** How pictures are zoomed and moved: a part of a time, and the scale of a plane. */

/** @typedef {{from: number, to: number}} Range */

/** Times per press of a button or key. */
export const STEP = 1.5;
export const SCALE_MIN = 0.1;
export const SCALE_MAX = 2;
/** Below this a picture is not made smaller only so that all its height is in sight. */
export const READABLE = 0.6;
/** Above this a picture that flows from left to right is not turned. */
const NEARLY_WHOLE = 0.9;
const PART_MS_MIN = 2;

/** The part made `factor` times narrower around a place of it, 0 to 1; the whole is null.
 * @param {Range | null} part @param {Range} whole @param {number} factor @param {number} [at] @returns {Range | null} */
export function zoomed(part, whole, factor, at = 0.5) {
  const { from, to } = part ?? whole;
  const length = Math.max(Math.min(PART_MS_MIN, whole.to - whole.from), (to - from) / factor);
  if (length >= (whole.to - whole.from) * 0.999) return null;
  const middle = from + at * (to - from);
  return within({ from: middle - at * length, to: middle + (1 - at) * length }, whole);
}

/** The part moved by a share of itself; a whole stays. @param {Range | null} part @param {Range} whole @param {number} share */
export function moved(part, whole, share) {
  if (!part) return null;
  const by = share * (part.to - part.from);
  return within({ from: part.from + by, to: part.to + by }, whole);
}

/** @param {Range} part @param {Range} whole @returns {Range} */
export function within({ from, to }, whole) {
  const by = Math.max(0, whole.from - from) || Math.min(0, whole.to - to);
  return { from: Math.max(whole.from, from + by), to: Math.min(whole.to, to + by) };
}

/** @param {number} scale */
export const limited = (scale) => Math.min(SCALE_MAX, Math.max(SCALE_MIN, scale));

/**
 * The scale at which a picture is as wide as its box at most, and as high too while it can be read.
 * @param {{width: number, height: number}} picture @param {{width: number, height: number}} box
 */
export function fitting(picture, box) {
  if (!box.width || !picture.width) return 1;
  const high = Math.max(READABLE, box.height / picture.height);
  return Math.max(SCALE_MIN, Math.min(1, box.width / picture.width, high));
}

/** Whether a plan is easier to read from top to bottom in a box of that width.
 * @param {number} across its width from left to right @param {number} down its width from top to bottom @param {number} width */
export function isUpright(across, down, width) {
  return width > 0 && width / across < NEARLY_WHOLE && down < across;
}
