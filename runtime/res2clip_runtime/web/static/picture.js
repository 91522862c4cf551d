// The picture: live, frozen for teaching, or that of an NG part.

import { byId, duration, make, setAttribute, setText } from "./dom.js";
import { state, update, watch } from "./state.js";
import { whenOpen } from "./stream.js";
import { text } from "./strings.js";

const AGAIN_MS = 1500;
const OLD_S = 5;

let shownUrl = "";
let cameras = "";

/** Show the live picture again. */
export function showLive() {
  update({ view: { kind: "live" } });
}

/** Show a picture that stands still: {kind, url, heatUrl, alt, tag}. */
export function showStill(view) {
  update({ view });
  if (window.matchMedia("(max-width: 899px)").matches) byId("stage").scrollIntoView();
}

function liveUrl() {
  const camera = state.camera ? `&camera=${encodeURIComponent(state.camera)}` : "";
  return `/api/live.mjpg?heat=${state.heat ? 1 : 0}${camera}`;
}

function wantedUrl() {
  const { view, link } = state;
  if (view.kind === "frozen") return view.url;
  if (view.kind === "ng") return state.heat ? view.heatUrl : view.url;
  return link === "open" ? liveUrl() : shownUrl; // without a link the last one stays, veiled
}

function load(url) {
  shownUrl = url;
  byId("picture").src = url;
}

function draw() {
  const { view, link } = state;
  if (document.hidden) return;
  const url = wantedUrl();
  if (url && url !== shownUrl) load(url);
  const image = byId("picture");
  const empty = !image.naturalWidth;
  const veil = view.kind === "live" ? veilText(empty) : null;
  setAttribute(byId("screen"), "data-view", view.kind);
  byId("screen").classList.toggle("not-live", Boolean(veil) && !empty);
  byId("screen").classList.toggle("no-picture", empty);
  byId("veil").hidden = !veil;
  if (veil) {
    setText(byId("veil-word"), veil[0]);
    setText(byId("veil-detail"), veil[1]);
  }
  setText(byId("tag"), tag(veil));
  setAttribute(image, "alt", alt());
  setAttribute(byId("heat"), "aria-pressed", String(state.heat));
  byId("heat").hidden = view.kind === "frozen";
  const hot = state.heat && Boolean(state.health?.product) && view.kind !== "frozen" && !veil && !empty;
  byId("heat-scale").hidden = !hot;
  byId("live-tools").hidden = view.kind !== "live";
  byId("frozen-tools").hidden = view.kind !== "frozen";
  byId("back").hidden = view.kind !== "ng";
  drawCameras();
  byId("picture").hidden = empty && link !== "open";
}

function tag(veil) {
  if (state.view.kind === "frozen") return text("frozen");
  if (state.view.kind === "ng") return text("kept", { number: state.view.number });
  return text(veil ? "stale" : "live");
}

function alt() {
  if (state.view.kind === "frozen") return text("altFrozen");
  if (state.view.kind === "ng") return text("altKept", { number: state.view.number });
  return text(state.heat ? "altLiveHeat" : "altLive");
}

/** What lies over a live picture that is none: [word, detail], or null. */
function veilText(empty) {
  const { link, health } = state;
  if (link === "denied") return [text("pictureLogin"), ""];
  if (link !== "open") return [text("pictureNoLink"), ""];
  const shown = (health?.cameras ?? []).filter((c) => !state.camera || c.name === state.camera);
  const lost = shown.length && shown.every((camera) => camera.state === "lost");
  if (lost) {
    const age = shown[0].frame_age_s;
    const detail = age === null ? "" : text("pictureOld", { ago: duration(age * 1000) });
    return [text("pictureLost", { camera: shown[0].name }), detail];
  }
  if (empty) return [text("noPicture"), text("noPictureDetail")];
  return null;
}

function drawCameras() {
  const names = (state.health?.cameras ?? []).map((camera) => camera.name);
  byId("camera-choice").hidden = names.length < 2;
  const key = names.join("\n");
  if (key === cameras) return;
  cameras = key;
  const options = names.map((name) => make("option", { value: name, textContent: name }));
  byId("camera").replaceChildren(
    make("option", { value: "", textContent: text("allCameras") }),
    ...options,
  );
  if (!names.includes(state.camera)) update({ camera: "" });
  byId("camera").value = state.camera;
}

function dropStream() {
  // Only this ends the request: an image that is hidden goes on loading.
  shownUrl = "";
  byId("picture").removeAttribute("src");
}

export function startPicture() {
  watch(draw);
  whenOpen(() => state.view.kind === "live" && dropStream());
  byId("heat").addEventListener("click", () => update({ heat: !state.heat }));
  byId("camera").addEventListener("change", (event) => update({ camera: event.target.value }));
  byId("back").addEventListener("click", showLive);
  byId("picture").addEventListener("error", () => {
    // Without a link the last picture stays; it is asked for again when the link is back.
    setTimeout(() => state.view.kind === "live" && state.link === "open" && dropStream(), AGAIN_MS);
  });
  document.addEventListener("visibilitychange", () => document.hidden && dropStream());
}
