/** A submission as a command and as a program; the key comes from the environment. */

/** @typedef {Record<string, any>} Body what is sent to /run-task */

/** @param {string} origin @param {Body} body @param {boolean} keyed */
export function curl(origin, body, keyed) {
  // No line of indented JSON is this word alone, whatever the texts hold: their line breaks are escaped.
  return [
    `curl -X POST ${origin}/run-task \\`,
    ...(keyed ? ['  -H "Authorization: Bearer $STEPSTREAM_API_KEY" \\'] : []),
    "  -H 'Content-Type: application/json' --data-binary @- <<'JSON'",
    JSON.stringify(body, null, 2),
    "JSON",
  ].join("\n");
}

/** @param {string} origin @param {Body} body */
export function python(origin, body) {
  const { task, inputs = {}, output, ...others } = body;
  const rest = { ...others, ...(output ? { output_format: output.format } : {}) };
  const { documents = [], ...places } = inputs;
  const named = Object.entries({ ...places, ...rest }).map(([name, value]) => `        ${name}=${literal(value)},`);
  const files = documents.map((/** @type {{name: string}} */ { name }) => `Document(name=${literal(name)}, text=Path(${literal(name)}).read_text())`);
  return [
    ...(files.length ? ["from pathlib import Path", ""] : []),
    "from app.client import Client",
    ...(files.length ? ["from app.model.task import Document"] : []),
    "",
    `with Client(${literal(origin)}) as api:  # the key: STEPSTREAM_API_KEY`,
    "    accepted = api.submit(",
    `        ${literal(task)},`,
    ...(files.length ? [`        documents=[${files.join(", ")}],`] : []),
    ...named,
    "    )",
    "    for event in api.follow(accepted.task_id):",
    "        print(event.seq, event.type)",
  ].join("\n");
}

/** @param {any} value @returns {string} */
function literal(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${literal(inner)}`).join(", ")}}`;
}
