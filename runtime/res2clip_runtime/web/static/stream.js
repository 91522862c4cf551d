// What the line tells by itself (Server-Sent Events), and whether it still does.

import { get } from "./api.js";
import { forgetCurrent, noteVerdict, redraw, state, update } from "./state.js";

const SILENT_MS = 3500; // its health comes once a second: so long without, and the link is gone
const OPEN_MS = 5000;
const AGAIN_MS = 1000;

let source = null;
let heardAt = 0;
let openedAt = 0;
let timer = null;
const onChange = [];
const onOpen = [];

/** Call `action(values)` when the line says that something (product, recipes ...) has changed. */
export function whenChanged(action) {
  onChange.push(action);
}

/** Call `action()` whenever the link is (again) there. */
export function whenOpen(action) {
  onOpen.push(action);
}

export function startStream() {
  // A page that nobody sees asks for nothing: browsers allow six connections to one host.
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : connect()));
  setInterval(watchSilence, 250);
  if (!document.hidden) connect();
}

/** Begin anew, for example after a login. */
export function connect() {
  clearTimeout(timer);
  source?.close();
  openedAt = performance.now();
  heardAt = 0;
  source = new EventSource("/api/events");
  source.addEventListener("health", (event) => takeHealth(JSON.parse(event.data)));
  source.addEventListener("verdict", (event) => {
    heardAt = performance.now();
    noteVerdict(JSON.parse(event.data));
  });
  source.addEventListener("teaching", (event) => update({ teaching: JSON.parse(event.data) }));
  source.addEventListener("changed", (event) => {
    const values = JSON.parse(event.data);
    for (const action of onChange) action(values);
  });
  source.onerror = lose;
}

function pause() {
  clearTimeout(timer);
  source?.close();
  source = null;
  forgetCurrent();
  update({ link: "connecting" });
}

function takeHealth(health) {
  heardAt = performance.now();
  const isNew = state.link !== "open";
  if (isNew) forgetCurrent();
  const otherProduct = state.health && state.health.product !== health.product;
  if (otherProduct) forgetCurrent(); // verdicts on the product before say nothing of this one
  update({ health, link: "open", linkLostAt: null, ...(otherProduct && { preview: null }) });
  if (isNew) for (const action of onOpen) action();
}

function watchSilence() {
  const now = performance.now();
  if (source && heardAt && now - heardAt > SILENT_MS) lose();
  else if (source && !heardAt && now - openedAt > OPEN_MS) lose();
  redraw(); // what was current grows old by itself
}

function lose() {
  source?.close();
  source = null;
  if (state.link !== "denied") {
    update({ link: "lost", linkLostAt: state.linkLostAt ?? new Date() });
  }
  clearTimeout(timer);
  timer = setTimeout(tryAgain, AGAIN_MS);
}

async function tryAgain() {
  if (document.hidden) return;
  try {
    const me = await get("/api/me"); // an event stream cannot say that it wants a login
    if (me.login_needed && !me.name) update({ me, link: "denied" });
    else connect();
  } catch (error) {
    if (error.status === 401) update({ link: "denied" });
    else if (state.link === "denied") update({ link: "lost", linkLostAt: new Date() });
    if (!document.hidden) timer = setTimeout(tryAgain, AGAIN_MS);
  }
}
