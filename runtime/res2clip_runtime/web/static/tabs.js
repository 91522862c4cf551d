// Tabs as the ARIA practices describe them: arrows move, one is in the tab order.

import { byId } from "./dom.js";

const NAMES = ["part", "ng", "teach", "line"];
const onOpen = new Map();
let open = "part";

export const tabIs = (name) => open === name;

/** Call `action()` whenever the tab is opened. */
export function whenTab(name, action) {
  onOpen.set(name, action);
}

export function openTab(name, { focus = false } = {}) {
  open = name;
  for (const one of NAMES) {
    const tab = byId(`tab-${one}`);
    tab.setAttribute("aria-selected", String(one === name));
    tab.tabIndex = one === name ? 0 : -1;
    byId(`panel-${one}`).hidden = one !== name;
  }
  if (focus) byId(`tab-${name}`).focus();
  onOpen.get(name)?.();
}

function move(event) {
  const at = NAMES.indexOf(open);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: NAMES.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  openTab(NAMES[(to + NAMES.length) % NAMES.length], { focus: true });
}

export function startTabs() {
  for (const name of NAMES) byId(`tab-${name}`).addEventListener("click", () => openTab(name));
  byId("tabs").addEventListener("keydown", move);
  openTab("part");
}
