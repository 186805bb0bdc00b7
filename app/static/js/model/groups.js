/** Dead letters by what killed them: the same agent, error and words but for numbers and ids. */

/**
 * @typedef {{id: string, queue: string, agent: string | null, reason: string, error: {type: string | null, code: string | null, message: string},
 *   task_id: string | null, step_ids: number[], deliveries: number, died_ms: number}} Letter
 * @typedef {{key: string, letters: Letter[], sample: Letter}} Group
 */

const VARYING = /0x[0-9a-f]+|[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|\d+/gi;
const SIGNATURE_CHARS = 160;

/** @param {Letter} letter */
export function signature({ agent, reason, error }) {
  const words = error.message.replace(VARYING, "#").slice(0, SIGNATURE_CHARS);
  return [agent ?? "", reason, error.type ?? "", error.code ?? "", words].join("\u0000");
}

/** The largest group first. @param {Letter[]} letters @returns {Group[]} */
export function grouped(letters) {
  /** @type {Map<string, Group>} */
  const found = new Map();
  for (const letter of letters) {
    const key = signature(letter);
    const group = found.get(key) ?? { key, letters: [], sample: letter };
    group.letters.push(letter);
    found.set(key, group);
  }
  return [...found.values()].sort((a, b) => b.letters.length - a.letters.length || b.sample.died_ms - a.sample.died_ms);
}
