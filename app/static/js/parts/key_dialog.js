/** Asks for the key, and where it may be kept. */

import { html, useState } from "../lib.js";
import { caller, forgetKey, key, keyWanted, takeKey } from "../session.js";
import { Dialog } from "./basics.js";

export function KeyDialog() {
  const [text, setText] = useState("");
  const [keep, setKeep] = useState(false);
  const close = () => (keyWanted.value = "");
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    keyWanted.value = "";
    takeKey(text, keep);
  };
  return html`<${Dialog} title="API key" close=${close}>
    <p>${keyWanted.value}</p>
    <form onSubmit=${submit}>
      <label class="field">Key
        <input
          type="password" autocomplete="off" spellcheck="false" placeholder="sk_…" required value=${text}
          onInput=${(/** @type {any} */ event) => setText(event.target.value)}
        />
      </label>
      <fieldset class="choice">
        <legend>Keep it</legend>
        <label><input type="radio" name="keep" checked=${!keep}
          onChange=${() => setKeep(false)} /> until this page is reloaded (memory only)</label>
        <label><input type="radio" name="keep" checked=${keep}
          onChange=${() => setKeep(true)} /> until this tab is closed (session storage)</label>
      </fieldset>
      <p class="hint">Make one with <code>stepstream keys create --scope read</code>. It is sent in a header and never stands in an address.</p>
      <div class="actions">
        ${key.value && caller.value && html`<button type="button" class="danger"
          onClick=${() => { close(); forgetKey(); }}>Forget the key</button>`}
        <button type="submit" class="primary">Use this key</button>
      </div>
    </form>
  <//>`;
}
