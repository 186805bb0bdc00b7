/**
 * Markdown from anyone, as elements of our own.
 *
 * The text becomes tokens and these become elements; no markup is ever made of it, so there is nothing that a sanitiser
 * could miss. Raw HTML is shown as the text it is, images become links, links lead to http, https and mailto only.
 */

import { Lexer } from "marked";
import { html, useMemo } from "../lib.js";
import { unescaped } from "../model/entities.js";

/** @import { Token } from "marked" */
/** @typedef {(number: number) => any} Cite what a citation such as `[3]` looks like; null when there is no such source */

/** Above this a text is shown as it was written: some Markdown takes time that grows faster than it does. */
const RENDERED_CHARS_MAX = 128 << 10;
const DEPTH_MAX = 40;
const SAFE = /^(https?:|mailto:)/i;
const CITATION = /\[(\d{1,4})\]/;

/** @param {{text: string, cite?: Cite}} props */
export function Markdown({ text, cite = () => null }) {
  const tokens = useMemo(() => (text.length > RENDERED_CHARS_MAX ? null : lexed(text)), [text]);
  if (!tokens) return html`<pre class="raw">${text}</pre>`;
  return html`<div class="markdown">${blocks(tokens, cite, 0)}</div>`;
}

/** @param {string} text @returns {Token[] | null} */
function lexed(text) {
  try {
    return new Lexer({ gfm: true }).lex(text);
  } catch {
    return null;
  }
}

/** @type {Record<string, (token: any, cite: Cite, depth: number) => any>} */
const BLOCKS = {
  heading: (token, cite, depth) => {
    // The page has a title of its own, so those of the text begin below it.
    const level = Math.min(6, token.depth + 1);
    return html`<${`h${level}`}>${inline(token.tokens, cite, depth)}<//>`;
  },
  paragraph: (token, cite, depth) => html`<p>${inline(token.tokens, cite, depth)}</p>`,
  text: (token, cite, depth) => (token.tokens ? inline(token.tokens, cite, depth) : words(token.text, cite)),
  code: (token) => html`<pre tabindex="0"><code>${token.text}</code></pre>`,
  blockquote: (token, cite, depth) => html`<blockquote>${blocks(token.tokens, cite, depth)}</blockquote>`,
  hr: () => html`<hr />`,
  html: (token) => html`<pre class="raw">${token.text.trimEnd()}</pre>`,
  list: (token, cite, depth) => {
    const items = token.items.map((/** @type {any} */ item) => html`<li>${blocks(item.tokens, cite, depth)}</li>`);
    return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
  },
  table: (token, cite, depth) => html`<div class="table-box" tabindex="0" role="region" aria-label="Table"><table>
    <thead><tr>${token.header.map((/** @type {any} */ cell) => html`<th scope="col"
      class=${cell.align ?? ""}>${inline(cell.tokens, cite, depth)}</th>`)}</tr></thead>
    <tbody>${token.rows.map(
      (/** @type {any[]} */ row) => html`<tr>${row.map((cell) =>
        html`<td class=${cell.align ?? ""}>${inline(cell.tokens, cite, depth)}</td>`)}</tr>`,
    )}</tbody>
  </table></div>`,
  checkbox: (token) => (token.checked ? "☑ " : "☐ "),
  space: () => null,
  def: () => null,
};

/** @type {Record<string, (token: any, cite: Cite, depth: number) => any>} */
const INLINE = {
  strong: (token, cite, depth) => html`<strong>${inline(token.tokens, cite, depth)}</strong>`,
  em: (token, cite, depth) => html`<em>${inline(token.tokens, cite, depth)}</em>`,
  del: (token, cite, depth) => html`<del>${inline(token.tokens, cite, depth)}</del>`,
  codespan: (token) => html`<code>${token.text}</code>`,
  br: () => html`<br />`,
  link: (token, cite, depth) => link(token.href, inline(token.tokens, cite, depth)),
  image: (token) => link(token.href, unescaped(token.text) || "image"),
  html: (token) => token.text,
  escape: (token) => unescaped(token.text),
  text: (token, cite, depth) => (token.tokens ? inline(token.tokens, cite, depth) : words(token.text, cite)),
  checkbox: (token) => (token.checked ? "☑ " : "☐ "),
};

/** @param {Token[]} tokens @param {Cite} cite @param {number} depth @returns {any} */
function blocks(tokens, cite, depth) {
  if (depth > DEPTH_MAX) return tokens.map((token) => token.raw).join("");
  return tokens.map((token) => (BLOCKS[token.type] ?? INLINE[token.type] ?? raw)(token, cite, depth + 1));
}

/** @param {Token[] | undefined} tokens @param {Cite} cite @param {number} depth @returns {any} */
function inline(tokens = [], cite, depth) {
  if (depth > DEPTH_MAX) return tokens.map((token) => token.raw).join("");
  return tokens.map((token) => (INLINE[token.type] ?? raw)(token, cite, depth + 1));
}

/** @param {Token} token */
const raw = (token) => token.raw;

/** @param {string} address @param {any} content */
function link(address, content) {
  const target = unescaped(address).trim();
  if (!SAFE.test(target)) return html`<span class="dead-link">${content}</span>`;
  return html`<a href=${target} target="_blank" rel="noopener noreferrer nofollow">${content}</a>`;
}

/** Text, with what looks like a citation made one. @param {string} text @param {Cite} cite */
function words(text, cite) {
  return text.split(/(\[\d{1,4}\])/).map((part) => {
    const number = CITATION.exec(part)?.[1];
    return (number && part.length === number.length + 2 && cite(Number(number))) || unescaped(part);
  });
}
