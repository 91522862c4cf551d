// How the line is doing: cameras, outputs, who commands it, time for a part; and the banners.

import { byId, clock, duration, make, setAttribute, setText } from "./dom.js";
import { drawLatency } from "./part.js";
import { state, watch } from "./state.js";
import { openTab } from "./tabs.js";
import { text } from "./strings.js";

const GOOD = new Set(["ready", "ok"]);
const BAD = new Set(["lost", "failing", "closed", "silent"]);
let drawn = null;
let drawnBanners = null;

const mood = (name) => (GOOD.has(name) ? "good" : BAD.has(name) ? "bad" : "calm");

function draw() {
  const { health, link } = state;
  drawChips(health, link);
  drawBanners();
  if (!health) return;
  const ready = link === "open" && health.ready;
  setText(byId("ready-word"), text(ready ? "ready" : "notReady"));
  setAttribute(byId("ready-word"), "data-mood", ready ? "good" : "bad");
  setText(byId("ready-reason"), link === "open" ? health.reason : text("pictureNoLink"));
  setText(byId("uptime"), text("since", { time: duration(health.uptime_s * 1000) }));
  const { OK: ok = 0, NG: ng = 0, ERROR: error = 0 } = health.decisions;
  setText(byId("counts"), text("counted", { ok, ng, error }));
  drawLatency(byId("line-latency"), health.latency_ms);
  const key = JSON.stringify([health.cameras, health.sinks, health.controls]);
  if (key === drawn) return;
  drawn = key;
  fill("cameras-list", health.cameras, "cameraFigures");
  fill("outputs-list", health.sinks, "sinkFigures");
  fill("controls-list", health.controls, "controlFigures");
}

function fill(id, members, figures) {
  const rows = members.map((member) =>
    make(
      "li",
      { className: "member" },
      make("b", { textContent: member.name }),
      make("span", {
        className: "state",
        "data-mood": mood(member.state),
        textContent: text(`state_${member.state}`),
      }),
      make("span", { className: "soft", textContent: text(figures, member) }),
      ...(member.reason ? [make("span", { className: "why", textContent: member.reason })] : []),
    ),
  );
  const none = make("li", { className: "soft", textContent: text("none") });
  byId(id).replaceChildren(...(rows.length ? rows : [none]));
}

function drawChips(health, link) {
  const cameras = health?.cameras ?? [];
  const sinks = health?.sinks ?? [];
  const controls = health?.controls ?? [];
  const off = link !== "open";
  const lost = cameras.some((camera) => camera.state === "lost");
  const opening = cameras.some((camera) => camera.state === "opening");
  const good = text(cameras.length > 1 ? "camerasManyOk" : "camerasOk", { count: cameras.length });
  chip("cameras", off, lost ? "bad" : opening ? "calm" : "good",
       lost ? text("camerasLost") : opening ? text("camerasOpening") : good);
  const failing = sinks.filter((sink) => sink.state !== "ok").length;
  chip("outputs", off, failing ? "bad" : "good",
       failing ? text("outputsFailing", { count: failing }) : text("outputsOk"));
  const silent = controls.some((control) => control.state === "silent");
  byId("chip-controls").hidden = !controls.length;
  chip("controls", off, silent ? "bad" : "good", text(silent ? "controlsSilent" : "controlsOk"));
}

function chip(name, off, feeling, word) {
  const element = byId(`chip-${name}`);
  setAttribute(element, "data-mood", off ? "off" : feeling);
  setText(element.lastElementChild, word);
}

/** Everything that a person should know and the lamp may not say: [id, kind, text]. */
export function bannersOf({ link, linkLostAt, health }) {
  if (link === "lost") {
    return [["link", "bad", text("bannerLink", { time: clock(linkLostAt) })]];
  }
  if (link !== "open" || !health) return [];
  const banners = health.cameras
    .filter((camera) => camera.state === "lost")
    .map((camera) => [`camera ${camera.name}`, "bad", text("bannerCamera", camera)]);
  for (const sink of health.sinks) {
    if (sink.state !== "ok") {
      banners.push([`sink ${sink.name}`, "warn", text("bannerSink", sink)]);
    }
  }
  for (const control of health.controls) {
    if (control.state === "silent") {
      banners.push([`control ${control.name}`, "warn", text("bannerControl", control)]);
    }
  }
  return banners;
}

function drawBanners() {
  const banners = bannersOf(state);
  const key = JSON.stringify(banners);
  if (key === drawnBanners) return;
  drawnBanners = key;
  byId("banners").replaceChildren(
    ...banners.map(([id, kind, words]) =>
      make("p", { className: `banner ${kind}`, "data-about": id, textContent: words }),
    ),
  );
}

export function startLine() {
  watch(draw);
  for (const name of ["cameras", "outputs", "controls"]) {
    byId(`chip-${name}`).addEventListener("click", () => openTab("line", { focus: true }));
  }
}
