/** Character references in Markdown, as characters; what is none stays as it is written. */

/** @type {Record<string, string>} */
const NAMED = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", ndash: "–", mdash: "—", hellip: "…", copy: "©",
  reg: "®", trade: "™", times: "×", rarr: "→", larr: "←", middot: "·", bull: "•", deg: "°", euro: "€", laquo: "«",
  raquo: "»", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”",
};

/** @param {string} text */
export function unescaped(text) {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z]{2,8}));/g, (whole, decimal, hex, name) => {
    if (name) return NAMED[name] ?? whole;
    const code = decimal ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : "\ufffd";
  });
}
