/** Folds logs, for a test that holds the result against what Python makes of them: node folded.mjs <modules> <log> … */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, ...logs] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${folder}/model/${name}`));
const { apply, ended, newView, stepCounts, tookMs, troubles } = await load("fold.js");
const { pieces, rangeOf } = await load("spans.js");
const { lineOf } = await load("log.js");

const result = logs.map((log) => {
  const events = readFileSync(log, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  const view = newView();
  const refused = [];
  for (const event of events) {
    if (!apply(view, event)) refused.push(event.seq);
    // Seen before, and one too far: neither changes anything.
    if (apply(view, event) || apply(view, { ...event, seq: event.seq + 2 })) refused.push(-event.seq);
  }
  const range = rangeOf(view, true, view.lastTs);
  return {
    status: view.status, ended: ended(view), seq: view.seq, refused, events: view.events.length, counts: view.counts,
    stepCounts: stepCounts(view), sources: view.sources.size, citations: view.citations, runs: view.runs.length,
    wall: view.finished === null ? null : tookMs(view, 0), troubles: troubles(view).length,
    texts: [...view.artifacts.values()].map(({ name, text, done }) => ({ name, text, done })),
    lines: view.events.map(lineOf),
    steps: [...view.steps.values()].map((step) => ({
      step_id: step.id, agent: step.agent, status: step.status, deps: step.deps, attempts: step.attempts,
      busy: step.attempts.reduce((sum, one) => (one.outcome === "lost" || one.ended === null ? sum : sum + one.ended - one.started), 0),
      spans: step.spans, pieces: pieces(step, range).map(({ left, width, name }) => ({ left, width, name })),
    })),
  };
});
process.stdout.write(JSON.stringify(result));
