/** The modules that know nothing of a page, one claim after another: node units.mjs <modules> */

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.argv[2]}/${name}`));
const { read, placeOf, lineOf } = await load("model/places.js");
const { curl, python } = await load("model/snippets.js");
const { bodyOf, draftOf, EMPTY, labelsOf } = await load("model/draft.js");
const { inOrder, layout, unfinished, DRAWN_MAX, PART } = await load("model/layout.js");
const { apply, newView } = await load("model/fold.js");
const { lineOf: lineOfEvent, selected, typesOf } = await load("model/log.js");
const { marked } = await load("model/quotes.js");
const { grouped } = await load("model/groups.js");
const { samples } = await load("model/prometheus.js");
const { unescaped } = await load("model/entities.js");
const { Flow, quantile, SLOTS } = await load("model/flow.js");
const bulk = await load("model/bulk.js");
const { History, most, pieces, sum, SPAN_MS } = await load("model/history.js");
const { HEIGHT, pathOf, placesOf, planeOf, WIDTH } = await load("model/plane.js");
const { fitting, isUpright, limited, moved, within, zoomed } = await load("model/zoom.js");
const { pieces: piecesOf, ranMs, ticks } = await load("model/spans.js");
const { refusals, runThrough } = await load("model/letter_run.js");
const { duration, ago, size } = await load("format.js");

// Places: every value of a text is found by its pointer, and an error by its line.
const text = '[\n  {"step_id": 1, "a/b~c": [true, null]},\n  {"step_id": -2.5e3}\n]';
const found = read(text);
assert.deepEqual(found.value, JSON.parse(text));
assert.equal(lineOf(text, placeOf(found.places, "/1/step_id")), 3);
assert.equal(text.slice(placeOf(found.places, "/0/a~1b~0c/1")).slice(0, 4), "null");
assert.equal(placeOf(found.places, "/0/depends_on/3"), placeOf(found.places, "/0"));
for (const [bad, line] of [["", 1], ["[1,\n2,]", 2], ['{"a"\n1}', 2], ["[1]\n\n2", 3], ['{"a": tru}', 1], ["\n[", 2], ['["\n"]', 1], ["{a: 1}", 1]]) {
  const { error, at, value } = read(bad);
  assert.ok(error && value === undefined, bad);
  assert.equal(lineOf(bad, at), line, bad);
}
assert.ok(read("[".repeat(5000)).error);
for (const good of ["0", '"\\u0041\\""', "[]", "{}", " [ { } , [ ] ] ", "1e5", "-0.5"]) assert.equal(read(good).error, "", good);

// Snippets: what they send is the body, whatever its texts hold.
const body = { task: "It's \"this\"\nJSON\n$(x) `y`", plan: [{ step_id: 1, agent: "a", payload: { on: true, no: null } }] };
const sent = curl("http://h", body, true).split("<<'JSON'\n")[1].split("\nJSON");
assert.equal(sent.length, 2);
assert.deepEqual(JSON.parse(sent[0]), body);
assert.ok(!curl("http://h", body, false).includes("Authorization"));
assert.ok(python("http://h", body).includes('plan=[{"step_id": 1, "agent": "a", "payload": {"on": True, "no": None}}],'));
assert.deepEqual(bodyOf({ ...EMPTY, task: "x" }), { task: "x" });
assert.deepEqual(bodyOf({ ...EMPTY, task: "x", labels: "a:b, c:d:e", priority: 0 }, []), { task: "x", plan: [], priority: 0, labels: { a: "b", c: "d:e" } });
assert.deepEqual(labelsOf(" , a:1"), { a: "1" });

const again = { task: "x", plan: null, planner: "rules", inputs: { documents: [{ name: "a", text: "b" }], collection: "c", urls: ["u", "v"], web: true },
  output: { format: "json" }, priority: 1, labels: { a: "1, 2:3", b: "" }, concurrency: { key: "a", limit: 2 } };
assert.deepEqual(bodyOf(draftOf(again)), { task: "x", planner: "rules", inputs: again.inputs, output: again.output, labels: again.labels, priority: 1, concurrency: again.concurrency });
const bare = { ...again, planner: null, plan: [{ step_id: 1, agent: "w", payload: "p", reason: null, on_failure: "fail" }], labels: {}, priority: 5, concurrency: null,
  inputs: { documents: [], collection: null, urls: [], web: false }, output: { format: "markdown" } };
assert.deepEqual(JSON.parse(draftOf(bare).plan), [{ step_id: 1, agent: "w", payload: "p" }]);
assert.deepEqual(bodyOf(draftOf(bare), "the plan"), { task: "x", plan: "the plan" });

// Layout: behind what it waits for; no two in one place; a large plan by groups, and soon.
const step = (id, deps, agent = "a") => ({ id, agent, deps });
const diamond = layout([step(1, []), step(2, [1]), step(3, [1]), step(4, [2, 3]), step(5, [1, 4])]);
assert.deepEqual(diamond.nodes.map((node) => node.layer), [0, 1, 1, 2, 3]);
assert.equal(new Set(diamond.nodes.map((node) => `${node.layer}:${node.row}`)).size, 5);
assert.ok(diamond.edges.every(({ from, to }) => from.layer < to.layer));
const wide = layout([step(1, []), ...Array.from({ length: 999 }, (_, index) => step(index + 2, [1], index % 2 ? "b" : "c"))]);
assert.equal(wide.nodes.length, 3);
assert.equal(wide.nodes.reduce((sum, node) => sum + node.steps.length, 0), 1000);
assert.equal(layout(Array.from({ length: DRAWN_MAX }, (_, index) => step(index + 1, index ? [index] : []))).columns.length, DRAWN_MAX);
assert.equal(layout([]).nodes.length, 0);
// Groups open: one of a part's size at once, a larger one into parts, and no step is lost or drawn twice.
const opened = (...keys) => layout(wide.nodes.flatMap((node) => node.steps).sort((a, b) => a.id - b.id), new Set(keys));
const all = (drawn) => drawn.nodes.flatMap((node) => node.steps.map((one) => one.id)).sort((a, b) => a - b);
assert.deepEqual(opened("1:b").nodes.map((node) => node.steps.length).sort((a, b) => b - a), [500, PART, PART, PART, PART, 99, 1].sort((a, b) => b - a));
assert.equal(opened("1:b", "1:b#4").nodes.filter((node) => node.steps.length === 1).length, 1 + 99);
assert.deepEqual(all(opened("1:b", "1:c", "1:c#0")), all(wide));
assert.ok(opened("1:b", "1:b#4").edges.every(({ from, to }) => from.layer < to.layer));
const states = ["completed", "skipped", "cancelled", "failed", "running", undefined].map((status, index) => ({ ...step(index, []), status }));
assert.deepEqual(unfinished(states).map((one) => one.id), [3, 4, 5]);
assert.deepEqual(inOrder([step(1, []), step(2, [1, 4]), step(3, [1]), step(4, [3])]).map((one) => one.id), [1, 3, 4, 2]);

// A plane: no two boxes touch, none leaves it, a line never crosses a box of its own layers, and what is wide is in sight.
const room = { width: 1233, height: 600 };
const fan = (many) => layout([step(1, []), ...Array.from({ length: many }, (_, index) => step(index + 2, [1])), step(many + 2, Array.from({ length: many }, (_, index) => index + 2))]);
const inside = (x, y, { left, top }) => x > left && x < left + WIDTH && y > top && y < top + HEIGHT;
for (const drawn of [diamond, fan(3), fan(13), fan(58), fan(118), opened("1:b", "1:b#0"), layout([step(1, [])])]) {
  for (const size of [room, { width: 343, height: 555 }, { width: 0, height: 0 }]) {
    const plane = planeOf(drawn, size);
    const places = [...placesOf(drawn, plane)];
    assert.equal(places.length, drawn.nodes.length);
    for (const [node, { left, top }] of places) {
      assert.ok(left >= 0 && top >= 0 && left + WIDTH <= plane.width && top + HEIGHT <= plane.height, node.key);
      const near = places.filter(([other, at]) => other !== node && Math.abs(at.left - left) < WIDTH && Math.abs(at.top - top) < HEIGHT);
      assert.deepEqual(near, [], node.key);
    }
    for (const { from, to } of drawn.edges.filter((edge) => edge.to.layer === edge.from.layer + 1)) {
      const [a, b] = [from, to].map((node) => places.find(([other]) => other === node)[1]);
      const points = [...pathOf(a, b, plane.upright).matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map((found) => [Number(found[1]), Number(found[2])]);
      assert.ok(points.every(([x, y]) => !places.some(([, at]) => inside(x, y, at))), `${from.key}>${to.key}`);
    }
  }
}
const scaleOf = (many, size) => fitting(planeOf(fan(many), size), size);
const seen = (many, size) => planeOf(fan(many), size).height * scaleOf(many, size) <= size.height;
assert.deepEqual([scaleOf(3, room), scaleOf(58, room) > 0.8, seen(58, room), seen(118, room)], [1, true, true, true]);
assert.deepEqual(planeOf(fan(3), room).lines, [1, 1, 1]);
assert.ok(scaleOf(58, { width: 343, height: 555 }) >= 0.6);
assert.deepEqual(planeOf(layout([]), room).lines, []);

// What models took: also before there is a plan, and where nobody counts; a plan that fell back says so.
const view = newView();
const usage = { name: "draft", model: "m", input_tokens: 10, output_tokens: null, cached_tokens: null, usd: 0.5, ms: 7, ttft_ms: null };
[
  { type: "task.submitted", data: { task: "x", priority: 5 } },
  { type: "llm.usage", data: { ...usage, usd: null } },
  { type: "plan.fallback", data: { planner: "rules", instead_of: "llm", reason: "no plan" } },
  { type: "plan.created", data: { steps: [{ step_id: 1, agent: "writer", depends_on: [] }], rev: 1, planner: "rules" } },
  { type: "llm.usage", step_id: 1, agent: "writer", attempt: 1, data: { ...usage, output_tokens: 5 } },
].forEach((event, index) => {
  const whole = { v: 1, seq: index + 1, ts: index, task_id: "t", ...event };
  assert.ok(apply(view, whole));
  assert.ok(lineOfEvent(whole));
});
assert.deepEqual(view.llm, { calls: 2, inputTokens: 20, outputTokens: 5, usd: 0.5 });
assert.deepEqual([view.steps.get(1).calls, view.steps.get(1).tokens], [1, 15]);
assert.equal(view.fallback, "rules planned instead of llm: no plan");

// Quotes, groups, Prometheus, references.
assert.deepEqual(marked("One\n two  three. Four.", ["two three.", "not there", "Four."]).map((part) => [part.text, part.cited]),
  [["One\n ", false], ["two  three.", true], [" ", false], ["Four.", true]]);
assert.equal(marked("a.c (x) [y]", ["(x) [y]"]).at(-1).text, "(x) [y]");
const letter = (message, agent = "w") => ({ agent, reason: "r", error: { type: "T", code: "c", message }, died_ms: 1 });
assert.deepEqual(grouped([letter("timeout after 12 s"), letter("other"), letter("timeout after 7 s"), letter("other", "v")]).map((group) => group.letters.length), [2, 1, 1]);
assert.deepEqual(samples('# HELP x\nx{a="b",c="d\\"e"} 1.5\ny 2e3\n'), [
  { name: "x", labels: { a: "b", c: 'd\\"e' }, value: 1.5 }, { name: "y", labels: {}, value: 2000 },
]);
assert.equal(unescaped("&lt;b&gt; &amp;lt; &#65;&#x41; &nope; &#0; &copy"), "<b> &lt; AA &nope; \ufffd &copy");

// Zoom: around a place, within the whole, and back to the whole; a picture is as wide as its box, and not too small.
const period = { from: 1_000, to: 2_000 };
const near = zoomed(null, period, 2, 0.25);
assert.deepEqual(near, { from: 1_125, to: 1_625 });
assert.deepEqual(zoomed(near, period, 0.5, 0.25), null);
assert.deepEqual(zoomed({ from: 1_000, to: 1_100 }, period, 0.5, 1), { from: 1_000, to: 1_200 });
assert.equal(zoomed(near, period, 1e9).to - zoomed(near, period, 1e9).from, 2);
assert.equal(zoomed(null, { from: 5, to: 6 }, 10), null);
assert.deepEqual(moved(near, period, 10), { from: 1_500, to: 2_000 });
assert.equal(moved(null, period, 1), null);
assert.deepEqual(within({ from: 900, to: 950 }, period), { from: 1_000, to: 1_050 });
assert.deepEqual([limited(0), limited(9), limited(1.5)], [0.1, 2, 1.5]);
assert.deepEqual([fitting({ width: 500, height: 100 }, { width: 1000, height: 900 }), fitting({ width: 2000, height: 100 }, { width: 1000, height: 900 }),
  fitting({ width: 500, height: 9000 }, { width: 1000, height: 900 }), fitting({ width: 500, height: 1000 }, { width: 1000, height: 800 })], [1, 0.5, 0.6, 0.8]);
assert.deepEqual([isUpright(1000, 300, 640), isUpright(600, 300, 640), isUpright(1000, 2000, 640), isUpright(1000, 300, 0)], [true, false, false, false]);
const span = (from, to, kind = "run") => ({ kind, from, to, attempt: 1, outcome: "completed" });
const worked = { spans: [span(1_000, 1_400), span(1_400, 1_500, "queued"), span(1_500, null)] };
assert.deepEqual(piecesOf(worked, { from: 1_200, to: 1_450 }, 2_000).map(({ left, width }) => [left, width]), [[0, 80], [80, 20]]);
assert.equal(ranMs(worked, period), 900);

// A task with a start waits for it, and for no provider; from then on it stands in the queue.
const later = newView("t");
apply(later, { v: 1, seq: 1, type: "task.submitted", ts: 1_000, task_id: "t", data: { task: "x", labels: {}, priority: 5, deadline_ms: null, not_before_ms: 5_000 } });
apply(later, { v: 1, seq: 2, type: "plan.created", ts: 1_000, task_id: "t", data: { rev: 1, planner: "rules", planning_ms: 0, steps: [{ step_id: 1, agent: "a", payload: {}, depends_on: [] }] } });
apply(later, { v: 1, seq: 3, type: "step.queued", ts: 1_000, task_id: "t", step_id: 1, agent: "a", data: { queue: "a", batch_id: "b", deps: [], not_before_ms: 5_000 } });
assert.deepEqual(piecesOf(later.steps.get(1), { from: 1_000, to: 6_000 }).map(({ name, title }) => [name, title]), [["scheduled", "waits for its start, 4.0 s"], ["queued", "in the queue, 1.0 s"]]);

assert.deepEqual(ticks({ from: 1_200, to: 1_700 }, 1_000), { marks: [200, 300, 400, 500, 600].map((ms, index) => ({ at: 20 * index, text: `${ms} ms` })), apart: 20, first: 0 });
assert.equal(ticks({ from: 1_250, to: 1_750 }, 1_000).first, 10);

// The log by type, kind, step and trouble.
const log = [["step.started", 1], ["step.failed", 1], ["step.completed", 2], ["task.failed", undefined]].map(([type, id]) => ({ type, step_id: id, data: {} }));
const chosen = (filter) => selected(log, { families: new Set(), type: "", errors: false, step: null, words: "", ...filter }).length;
assert.deepEqual([chosen({}), chosen({ type: "step.failed" }), chosen({ type: "step" }), chosen({ errors: true }), chosen({ step: 1, errors: true }),
  chosen({ families: new Set(["step"]), step: 2 }), chosen({ words: "TASK." })], [4, 1, 0, 2, 1, 1, 1]);
assert.deepEqual(typesOf([...log, log[0]]), [["step.completed", 1], ["step.failed", 1], ["step.started", 2], ["task.failed", 1]]);

// Bulk: what goes with a filter, what is sent, what came of it.
const filter = (text) => new URLSearchParams(text);
const possible = (text) => bulk.ACTIONS.map((action) => bulk.stateFor(action, filter(text)));
assert.deepEqual(possible("label=a:b"), ["failed", "open", "ended"]);
assert.deepEqual(possible("status=failed"), ["failed", "", "failed"]);
assert.deepEqual(possible("status=running&q=x"), ["", "running", ""]);
assert.deepEqual(possible("status=completed"), ["", "", "completed"]);
assert.equal(bulk.numberOf({ total: 9, open: 2, failed: 3 }, "ended"), 7);
assert.equal(bulk.numberOf({ total: 9, open: 2, failed: 3 }, "failed"), 3);
assert.equal(bulk.numberOf(null, "failed"), 0);
assert.equal(bulk.filterOf("failed", filter("label=a:b:c&q=tea pot")), "failed, label a:b:c, words “tea pot”");
assert.deepEqual(bulk.bodyOf("cancel", "open", filter("label=a:b:c&label=d:&q=x&cursor=9"), "why"),
  { action: "cancel", status: "open", labels: { a: "b:c", d: "" }, q: "x", reason: "why" });
const halfway = bulk.after(bulk.begun(), { outcomes: [{ task_id: "t1", refused: null }, { task_id: "t2", refused: "There is no task 't2'." }], next: "t2" });
const done = bulk.after(halfway, { outcomes: [{ task_id: "t3", refused: "There is no task 't3'." }], next: null });
assert.deepEqual([halfway.over, halfway.cursor, done.over, done.done, bulk.refusals(done)], [false, "t2", true, 1, 2]);
assert.deepEqual([...done.refused], [["There is no task.", ["t2", "t3"]]]);

// Flow, and what people read.
const flow = new Flow();
for (let n = 0; n < 10_000; n += 1) flow.add({ type: "step.completed", ts: n * 1000, data: { duration_ms: n, cached: false } });
assert.ok(flow.slots.size <= SLOTS + 1);
assert.equal(flow.series(9_999_000, (slot) => slot.ended).length, SLOTS);
assert.equal(flow.samples("runs").at(-1), 9_999);
for (let n = 0; n < 1_000; n += 1) flow.add({ type: "step.started", ts: 9_999_000, data: { queue_wait_ms: n } });
assert.equal(flow.samples("waits").length, 200);
flow.add({ type: "step.completed", ts: 9_999_000, data: { duration_ms: 0, cached: true } });
assert.equal(flow.rate(9_999_000, 0), 1);
assert.equal(quantile([], 0.5), null);
assert.equal(quantile([3, 1, 2], 0.5), 2);
assert.deepEqual([0, 999, 1000, 59_949, 60_000, 61_000, 3_600_000, 7_260_000, 200_000_000].map(duration),
  ["0 ms", "999 ms", "1.0 s", "60 s", "1 m", "1 m 1 s", "1 h", "2 h 1 m", "2 d 7 h"].map((one, index) => (index === 3 ? "60 s" : one)));
// History: samples come in parts, a queue may come later or go; an hour is kept, and a hole is no zero.
const series = (name, waiting, ended) => ({ name, waiting, in_flight: waiting, oldest_age_ms: waiting, ended_per_s: ended, wait_p95_ms: ended, run_p95_ms: ended });
const past = new History();
past.add({ interval_ms: 1, times_ms: [1_000, 2_000], queues: [series("a", [1, 2], [null, 0.5])] });
past.add({ interval_ms: 1, times_ms: [3_000], queues: [series("b", [7], [null])] });
past.add({ interval_ms: 1, times_ms: [3_000], queues: [series("b", [8], [1])] });
past.add({ interval_ms: 1, times_ms: [], queues: [] });
assert.deepEqual([past.times, past.of("a", "waiting"), past.of("b", "waiting")], [[1_000, 2_000, 3_000], [1, 2, null], [null, null, 7]]);
assert.deepEqual(past.all("waiting", sum), [1, 2, 7]);
assert.deepEqual(past.all("ended_per_s", most), [null, 0.5, null]);
assert.deepEqual(past.of("c", "waiting"), [null, null, null]);
past.add({ interval_ms: 1, times_ms: [2_500 + SPAN_MS], queues: [series("a", [4], [2])] });
assert.deepEqual([past.times, past.of("a", "waiting"), past.last], [[3_000, 2_500 + SPAN_MS], [null, 4], 2_500 + SPAN_MS]);
assert.deepEqual(pieces([0, 1, SPAN_MS / 2, SPAN_MS - 1, SPAN_MS], [3, 5, null, 1, 9], SPAN_MS, 4), [5, null, null, 1]);
assert.equal(ago(4000), "just now");
assert.equal(size(1536), "1.5 KiB");
// Many letters: each once, a busy server is asked again, refusals are told by their reason, and it stops when it is told to.
const many = Array.from({ length: 50 }, (_, index) => ({ id: `q:${index}` }));
const acted = [];
const busyOnce = new Set();
const told = [];
const course = await runThrough(many, async ({ id }) => {
  const number = Number(id.slice(2));
  if (number === 7 && !busyOnce.has(id)) {
    busyOnce.add(id);
    throw Object.assign(new Error("busy"), { passing: true, retryAfterMs: 0 });
  }
  if (number >= 48) throw Object.assign(new Error(`Task '0-01a21598-fd38-7c12-938b-ed649ae409${number}' still runs step ${number}.`), { passing: false });
  acted.push(id);
}, (one) => told.push(one.through), () => false);
assert.deepEqual([acted.length, new Set(acted).size, course.through, refusals(course)], [48, 48, 50, 2]);
assert.deepEqual([...course.refused], [["Task still runs the step.", 2]]);
assert.deepEqual(told.at(-1), 50);
let begunOf = 0;
const short = await runThrough(many, async () => void (begunOf += 1), () => {}, () => begunOf >= 10);
assert.ok(short.through < 20 && begunOf === short.through);
process.stdout.write("all hold\n");
