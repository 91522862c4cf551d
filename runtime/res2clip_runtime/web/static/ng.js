// The NG parts with their pictures, newest first.

import { get } from "./api.js";
import { byId, clock, figure, make } from "./dom.js";
import { showStill } from "./picture.js";
import { state, update, watch } from "./state.js";
import { whenChanged, whenOpen } from "./stream.js";
import { tabIs } from "./tabs.js";
import { text } from "./strings.js";
import { complain } from "./toast.js";

const PAGE = 12;
const QUIET_MS = 700; // a burst of NG parts is read once
let timer = null;
let drawn = null;

async function load() {
  const entries = await get(`/api/ng?limit=${PAGE}`);
  const known = new Set(entries.map((entry) => entry.id));
  const older = entries.length < PAGE ? [] : state.ng.entries.filter((e) => !known.has(e.id));
  const joins = entries.length && older.length && state.ng.entries.some((e) => known.has(e.id));
  const all = joins ? [...entries, ...older] : entries;
  const more = joins ? state.ng.more : entries.length === PAGE;
  update({ ng: { entries: all, more, loaded: true } });
}

async function loadOlder() {
  try {
    const last = state.ng.entries.at(-1);
    const older = await get(`/api/ng?limit=${PAGE}&before=${encodeURIComponent(last.id)}`);
    const entries = [...state.ng.entries, ...older];
    update({ ng: { entries, more: older.length === PAGE, loaded: true } });
  } catch (error) {
    complain(error);
  }
}

function loadSoon() {
  if (timer) return;
  timer = setTimeout(() => {
    timer = null;
    if (tabIs("ng") || !state.ng.loaded) load().catch(complain);
    else state.ng.loaded = false;
  }, QUIET_MS);
}

/** Read the list when its tab is opened. */
export function openNg() {
  load().catch(complain);
}

function draw() {
  const { entries, more } = state.ng;
  const shown = state.view.kind === "ng" ? state.view.id : null;
  byId("ng-none").hidden = entries.length > 0;
  byId("ng-older").hidden = !more;
  const key = JSON.stringify([entries.map((e) => [e.id, e.label]), shown]);
  if (key === drawn) return;
  drawn = key;
  byId("ng-list").replaceChildren(...entries.map((entry) => card(entry, entry.id === shown)));
}

function card(entry, isShown) {
  const { id, number, decided_at: at, score, product, label } = entry;
  const path = `/api/ng/${encodeURIComponent(id)}.jpg`;
  const picture = make("img", { src: `${path}?heat=1`, alt: "", loading: "lazy" });
  const caption = make("span", { className: "caption" });
  caption.append(
    make("b", { textContent: clock(at) }),
    make("span", { textContent: `${product} · ${figure(score)}` }),
  );
  if (label) caption.append(make("span", { className: "label", textContent: text(`label_${label}`) }));
  const button = make("button", { className: "thumb", type: "button" }, picture, caption);
  button.setAttribute("aria-label", text("ngShow", { number, time: clock(at) }));
  button.setAttribute("aria-pressed", String(isShown));
  button.addEventListener("click", () =>
    showStill({ kind: "ng", id, number, url: `${path}?heat=0`, heatUrl: `${path}?heat=1` }),
  );
  return make("li", {}, button);
}

export function startNg() {
  watch(draw);
  byId("ng-older").addEventListener("click", loadOlder);
  whenOpen(() => load().catch(complain));
  whenChanged(({ what }) => ["ng", "feedback"].includes(what) && loadSoon());
}
