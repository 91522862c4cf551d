// Keyboard shortcuts, and the help that lists them.

import { byId, make } from "./dom.js";
import { toggleLamp } from "./lamp.js";
import { giveFeedback, giveTrigger } from "./part.js";
import { showLive } from "./picture.js";
import { state, update } from "./state.js";
import { openTab } from "./tabs.js";
import { accept, discard, freeze } from "./teach.js";
import { toggleThreshold } from "./threshold.js";
import { text } from "./strings.js";

const OFF = "res2clip-keys-off";
const press = (id) => !byId(id).disabled && !byId(id).hidden;

const KEYS = [
  ["h", "key_heat", () => update({ heat: !state.heat })],
  ["f", "key_freeze", () => press("freeze") && freeze()],
  ["a", "key_accept", accept],
  ["Esc", "key_live", back],
  ["g", "key_good", () => press("was-good") && giveFeedback("good")],
  ["m", "key_missed", () => press("missed") && giveFeedback("missed")],
  ["t", "key_trigger", () => press("trigger") && giveTrigger()],
  ["s", "key_threshold", () => toggleThreshold()],
  ["l", "key_lamp", () => toggleLamp()],
  ["1 2 3 4", "key_tabs", null],
  ["← →", "key_strip", null],
  ["?", "key_help", () => byId("help-dialog").showModal()],
];

function back() {
  toggleLamp(false);
  if (state.view.kind === "frozen") discard();
  else showLive();
  update({ selected: null });
}

function take(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key === "Escape") return back();
  if (typing || localStorage.getItem(OFF)) return;
  const tab = { 1: "part", 2: "ng", 3: "teach", 4: "line" }[event.key];
  if (tab) return openTab(tab);
  const known = KEYS.find(([key, , action]) => action && key === event.key.toLowerCase());
  if (!known) return;
  event.preventDefault();
  known[2]();
}

export function startKeys() {
  const rows = KEYS.flatMap(([keys, key]) => [
    make("dt", {}, ...keys.split(" ").map((one) => make("kbd", { textContent: one.toUpperCase() }))),
    make("dd", { textContent: text(key) }),
  ]);
  byId("keys").replaceChildren(...rows);
  const box = byId("keys-on");
  box.checked = !localStorage.getItem(OFF);
  box.addEventListener("change", () => {
    if (box.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
  byId("help").addEventListener("click", () => byId("help-dialog").showModal());
  document.addEventListener("keydown", take);
}
