/** One deed for many dead letters: some at a time, again while the server is busy, until all are through or it is stopped. */

/** @import { Letter } from "./groups.js" */
/** @typedef {{through: number, refused: Map<string, number>}} Course `refused` counts letters by why not */
/** @typedef {{passing: boolean, retryAfterMs: number}} Busy */

/** A browser has six connections to a server for all tabs together. */
const AT_ONCE = 4;
const TRIES_MAX = 5;
const PAUSE_MS = 500;

/**
 * Does it to each letter and tells how far it is; an error of `act` that will not pass is what a letter is refused for.
 * @param {Letter[]} letters @param {(letter: Letter) => Promise<void>} act
 * @param {(course: Course) => void} tell @param {() => boolean} stopped
 */
export async function runThrough(letters, act, tell, stopped) {
  const course = { through: 0, refused: new Map() };
  const waiting = [...letters];
  const work = async () => {
    for (let letter = waiting.shift(); letter && !stopped(); letter = waiting.shift()) {
      const why = await insistent(() => act(/** @type {Letter} */ (letter)), stopped);
      if (why) course.refused.set(why, (course.refused.get(why) ?? 0) + 1);
      course.through += 1;
      tell({ ...course });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return course;
}

/** Why not, if so. @param {() => Promise<void>} act @param {() => boolean} stopped */
async function insistent(act, stopped) {
  for (let tries = 1; ; tries += 1) {
    try {
      await act();
      return "";
    } catch (error) {
      const { passing, retryAfterMs } = /** @type {Busy} */ (error);
      if (!passing || tries >= TRIES_MAX || stopped()) return plain(String(error instanceof Error ? error.message : error));
      await new Promise((resolve) => setTimeout(resolve, Math.max(PAUSE_MS * tries, retryAfterMs)));
    }
  }
}

/** The same words for all letters that are refused for the same reason. @param {string} why */
const plain = (why) => why.replace(/\s*'?0-[0-9a-f-]{36}'?/g, "").replace(/\bstep \d+/g, "the step");

/** @param {Course} course */
export const refusals = ({ refused }) => [...refused.values()].reduce((sum, one) => sum + one, 0);
