/**
 * JSON with places: where each value stands in the text, by its JSON pointer (RFC 6901), so that an error of the server
 * can be shown at the line it is about.
 */

/** @typedef {{value: unknown, places: Map<string, number>, error: string, at: number}} Read */

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /"(?:[^"\\\u0000-\u001f]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const DEPTH_MAX = 200;

/** @param {string} text @returns {Read} */
export function read(text) {
  const scanner = new Scanner(text);
  try {
    scanner.value("", 0);
    scanner.end();
    return { value: JSON.parse(text), places: scanner.places, error: "", at: 0 };
  } catch (error) {
    return { value: undefined, places: scanner.places, error: error instanceof Error ? error.message : String(error), at: scanner.at };
  }
}

/** The line of a place, from 1. @param {string} text @param {number} at */
export function lineOf(text, at) {
  let line = 1;
  for (let index = text.indexOf("\n"); index !== -1 && index < at; index = text.indexOf("\n", index + 1)) line += 1;
  return line;
}

/** The place of a pointer, or of the nearest thing around it that is there. @param {Map<string, number>} places @param {string} pointer */
export function placeOf(places, pointer) {
  for (let path = pointer; ; path = path.slice(0, path.lastIndexOf("/"))) {
    const found = places.get(path);
    if (found !== undefined) return found;
    if (!path.includes("/")) return 0;
  }
}

/** What a refusal says of the plan in a body, at its places in the text of the plan.
 * @param {{errors: {pointer?: string, detail: string}[]}} problem @param {Map<string, number>} places */
export function faultsOf(problem, places) {
  const about = problem.errors.filter((error) => error.pointer?.startsWith("/plan"));
  return about.map((error) => ({ at: placeOf(places, (error.pointer ?? "").slice("/plan".length)), text: error.detail }));
}

class Scanner {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.places = /** @type {Map<string, number>} */ (new Map());
  }

  /** @param {string} pointer @param {number} depth */
  value(pointer, depth) {
    if (depth > DEPTH_MAX) throw new Error("This is nested too deeply.");
    this.skip();
    this.places.set(pointer, this.at);
    const next = this.text[this.at];
    if (next === "{") this.members("}", (index) => this.member(pointer, depth, index));
    else if (next === "[") this.members("]", (index) => this.value(`${pointer}/${index}`, depth + 1));
    else this.scalar();
  }

  /** @param {string} closing @param {(index: number) => void} one */
  members(closing, one) {
    this.at += 1;
    this.skip();
    if (this.took(closing)) return;
    for (let index = 0; ; index += 1) {
      one(index);
      this.skip();
      if (this.took(closing)) return;
      if (!this.took(",")) throw new Error(`Expected "," or "${closing}".`);
    }
  }

  /** @param {string} pointer @param {number} depth @param {number} _index */
  member(pointer, depth, _index) {
    this.skip();
    if (this.text[this.at] !== '"') throw new Error("Expected a name in double quotes.");
    const name = JSON.parse(this.scalar());
    this.skip();
    if (!this.took(":")) throw new Error('Expected ":".');
    this.value(`${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, depth + 1);
  }

  scalar() {
    SCALAR.lastIndex = this.at;
    const found = SCALAR.exec(this.text);
    if (!found) throw new Error(this.at < this.text.length ? "Expected a value." : "The text ends too early.");
    this.at = SCALAR.lastIndex;
    return found[0];
  }

  end() {
    this.skip();
    if (this.at < this.text.length) throw new Error("Nothing may follow here.");
  }

  skip() {
    SPACE.lastIndex = this.at;
    SPACE.exec(this.text);
    this.at = SPACE.lastIndex;
  }

  /** @param {string} character */
  took(character) {
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }
}
