// The lamp: what may be shown as the verdict at this moment, and nothing staler.

import { byId, duration, figure, setAttribute, setText } from "./dom.js";
import { state, watch, worse } from "./state.js";
import { text } from "./strings.js";

const SHORTEST_MS = 3000;
const LONGEST_MS = 30000;
const UNKNOWN_MS = 10000; // after a first part nobody knows when the next comes

/** How long a verdict counts as current: four times what usually lies between two. */
export function freshMs(gaps) {
  if (!gaps.length) return UNKNOWN_MS;
  const median = [...gaps].sort((a, b) => a - b)[gaps.length >> 1];
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, 4 * median));
}

/** What the lamp shows: {kind, word, detail}. Only kind "ok" is green. */
export function lampOf(known, now) {
  const { link, health } = known;
  if (link === "denied") return plain("login");
  if (link === "lost") return plain("disconnected", lastKnown(known, now));
  if (link !== "open" || !health) return plain("connecting");
  const cause = whyNotReady(known);
  if (cause) return cause;
  const entries = [...known.current.entries()];
  if (!entries.length) return { ...plain("waiting"), detail: text(waitingKey(health)) };
  const stale = entries.filter(([, entry]) => now - entry.at > freshMs(entry.gaps));
  const fresh = entries.filter(([, entry]) => now - entry.at <= freshMs(entry.gaps));
  if (!fresh.length) return waitingNext(entries, now);
  const shown = fresh.map(([, entry]) => entry.shown).reduce((a, b) => (worse(b, a) ? b : a));
  if (shown.decision === "OK" && stale.length) return waitingOther(stale[0], now);
  return decided(shown);
}

function whyNotReady({ health, recipes }) {
  if (!health.product && !recipes) return plain("connecting");
  if (!health.product && !recipes.length) return plain("empty");
  if (!health.product) return plain("choose");
  if (health.ready) return null;
  const cameras = health.cameras;
  if (cameras.length && cameras.every((camera) => camera.state === "ended")) return plain("ended");
  const opening = cameras.find((camera) => camera.state === "opening" && !camera.reason);
  if (opening && !cameras.some((camera) => camera.state === "lost")) {
    return { ...plain("waiting"), detail: text("waitingCamera", { camera: opening.name }) };
  }
  return { kind: "fault", word: text("fault"), detail: health.reason };
}

function plain(kind, detail = "") {
  const known = { waiting: "waitingFirst", login: "loginDetail" }[kind] ?? `${kind}Detail`;
  return { kind, word: text(kind), detail: [text(known), detail].filter(Boolean).join(" ") };
}

function waitingKey(health) {
  return health.mode === "trigger" ? "waitingTrigger" : "waitingFirst";
}

function lastKnown({ current }, now) {
  const [entry] = [...current.values()].sort((a, b) => b.at - a.at);
  if (!entry) return "";
  const { decision } = entry.newest;
  return text("lastKnown", { decision, ago: duration(now - entry.at) });
}

function waitingNext(entries, now) {
  const [, entry] = entries.reduce((a, b) => (b[1].at > a[1].at ? b : a));
  const values = { decision: entry.newest.decision, ago: duration(now - entry.at) };
  return { kind: "waiting", word: text("waiting"), detail: text("waitingNext", values) };
}

function waitingOther([camera, entry], now) {
  const values = { camera, ago: duration(now - entry.at) };
  return { kind: "waiting", word: text("waiting"), detail: text("waitingOther", values) };
}

function decided(verdict) {
  const kind = verdict.decision.toLowerCase();
  const { number, score, threshold, reason } = verdict;
  const values = { number, score: figure(score), threshold: figure(threshold) };
  const detail = { ok: "lampOk", ng: "lampNg" }[kind];
  return { kind, word: text(kind), detail: detail ? text(detail, values) : reason, verdict };
}

function draw() {
  const lamp = lampOf(state, performance.now());
  const element = byId("lamp");
  setAttribute(element, "data-kind", lamp.kind);
  setText(byId("lamp-word"), lamp.word);
  setText(byId("lamp-detail"), lamp.detail);
  setAttribute(byId("lamp-shape").firstElementChild, "href", `#i-${lamp.kind}`);
  byId("teach-now").hidden = lamp.kind !== "empty";
  document.title = `${lamp.word} · ${state.health?.product || text("title")}`;
}

export function toggleLamp(wanted) {
  const big = document.body.classList.toggle("big-lamp", wanted);
  const button = byId("lamp-size");
  button.setAttribute("aria-label", text(big ? "shrink" : "enlarge"));
  button.setAttribute("aria-pressed", String(big));
}

export function startLamp() {
  watch(draw);
  byId("lamp-size").addEventListener("click", () => toggleLamp());
}
