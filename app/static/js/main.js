/** Begins. */

import { App } from "./app.js";
import { html, render } from "./lib.js";
import { lookForNewer } from "./newer.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${App} />`, root);
lookForNewer();
