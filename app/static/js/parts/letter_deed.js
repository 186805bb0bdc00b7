/** Requeues or discards dead letters: asked with their number, done in the open, and stopped at any time. */

import { call, Problem } from "../api.js";
import { count, counted } from "../format.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { refusals, runThrough } from "../model/letter_run.js";
import { Dialog } from "./basics.js";

/** @import { Letter } from "../model/groups.js" */
/** @import { Course } from "../model/letter_run.js" */
/** @typedef {{verb: "requeue" | "discard", letters: Letter[], about: string}} Deed */

const WORDS = {
  requeue: {
    title: "Requeue", done: "requeued", look: "primary",
    hint: "The task of a failed step runs again from that step; any other message goes back into its queue.",
  },
  discard: {
    title: "Discard", done: "discarded", look: "danger",
    hint: "The work is not done, and a failed step stays failed. A letter that is discarded is gone for good.",
  },
};

/** @param {{deed: Deed, close: () => void, done: () => void}} props */
export function LetterDeed({ deed: { verb, letters, about }, close, done }) {
  const { title, hint, look } = WORDS[verb];
  const { course, busy, go, stop } = useRun(verb, letters, done, close);
  const many = counted(letters.length, "letter");
  return html`<${Dialog} title=${`${title} ${many}`} close=${close}>
    <p class="failure-text">${about}</p>
    ${!course && html`<p>${hint}</p>`}
    ${course && html`<${How} verb=${verb} course=${course} busy=${busy} total=${letters.length} />`}
    <div class="actions">
      <button type="button" onClick=${busy ? stop : close}>${busy ? "Stop" : course ? "Close" : "Leave them"}</button>
      ${(!course || busy) && html`<button type="button" class=${look} disabled=${busy} onClick=${go}>${title} ${many}</button>`}
    </div>
  <//>`;
}

/** @param {Deed["verb"]} verb @param {Letter[]} letters @param {() => void} done @param {() => void} close */
function useRun(verb, letters, done, close) {
  const [course, setCourse] = useState(/** @type {Course | null} */ (null));
  const [busy, setBusy] = useState(false);
  const stopped = useRef(false);
  useEffect(() => () => void (stopped.current = true), []);
  const go = async () => {
    setBusy(true);
    setCourse({ through: 0, refused: new Map() });
    const found = await runThrough(letters, (letter) => act(verb, letter), setCourse, () => stopped.current);
    setBusy(false);
    done();
    if (found.through === letters.length && !found.refused.size) close();
  };
  return { course, busy, go, stop: () => void (stopped.current = true) };
}

/** What another has seen to meanwhile is no failure. @param {Deed["verb"]} verb @param {Letter} letter */
async function act(verb, letter) {
  const path = `/dead-letters/${encodeURIComponent(letter.id)}`;
  try {
    await (verb === "requeue" ? call("POST", `${path}/requeue`) : call("DELETE", path));
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404) throw error;
  }
}

/** @param {{verb: Deed["verb"], course: Course, busy: boolean, total: number}} props */
function How({ verb, course, busy, total }) {
  const not = refusals(course);
  const words = `${counted(course.through - not, "letter")} ${WORDS[verb].done}${not ? `, ${count(not)} not` : ""}`;
  return html`<div class="course">
    <span class="bar" aria-hidden="true"><span class="fill tone-running" style=${{ width: `${(100 * course.through) / total}%` }}></span></span>
    <p role="status">${busy ? `${count(course.through)} of ${count(total)} …` : `${words}.`}</p>
    ${!busy && course.through < total && html`<p class="hint">Stopped. The others are as they were.</p>`}
    ${not > 0 && html`<ul class="refused">${[...course.refused].map(([why, times]) => html`<li key=${why}>
      <strong>${counted(times, "letter")}</strong>: ${why}</li>`)}</ul>`}
  </div>`;
}
