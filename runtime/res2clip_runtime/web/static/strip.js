// The scores of the last parts with the threshold, and what another one would change.

import { byId, clock, figure, setAttribute, setText } from "./dom.js";
import { chosenParts, chosenRecipe, state, update, watch } from "./state.js";
import { text } from "./strings.js";

const LEFT = 52;
const RIGHT = 12;
const TOP = 14;
const BOTTOM = 18;
const SHOWN = 500;

let colours = null;
let placed = []; // {x, y, part} of what is drawn

/** How many of `parts` a threshold makes NG: {count, after, before, toNg, toOk}. */
export function judged(parts, threshold, tried) {
  const scored = parts.filter((part) => part.score !== null);
  const above = (limit) => (part) => limit !== null && part.score > limit;
  const before = scored.filter(above(threshold)).length;
  const after = scored.filter(above(tried)).length;
  const toNg = scored.filter((p) => above(tried)(p) && !above(threshold)(p)).length;
  return { count: scored.length, after, before, toNg, toOk: before + toNg - after };
}

/** Lowest and highest value of the strip, with a margin. */
export function span(parts, ...limits) {
  const values = [...parts.map((part) => part.score), ...limits].filter((v) => v !== null);
  if (!values.length) return [0, 1];
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = (high - low || Math.abs(high) || 1) * 0.12;
  return [Math.max(0, low - margin), high + margin];
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  colours = {
    ok: read("--dot-ok"), ng: read("--dot-ng"), error: read("--dot-error"),
    line: read("--threshold"), preview: read("--preview"), ink: read("--ink"),
    soft: read("--ink-soft"), grid: read("--line"), zone: read("--zone"),
  };
}

function draw() {
  const parts = chosenParts().slice(-SHOWN);
  const threshold = chosenRecipe()?.threshold ?? null;
  const canvas = byId("strip");
  byId("strip-empty").hidden = parts.length > 0;
  describe(canvas, parts, threshold);
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  if (!colours) readColours();
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  placed = [];
  if (parts.length) drawParts(pen, { width, height, parts, threshold });
}

function drawParts(pen, { width, height, parts, threshold }) {
  const [low, high] = span(parts, threshold, state.preview);
  const y = (score) => TOP + (1 - (score - low) / (high - low)) * (height - TOP - BOTTOM);
  const slots = Math.max(60, parts.length);
  const step = (width - LEFT - RIGHT) / slots;
  const x = (index) => width - RIGHT - (parts.length - index - 0.5) * step;
  pen.font = "12px system-ui, sans-serif";
  drawScale(pen, { width, height, low, high, y, count: parts.length });
  if (threshold !== null) drawLimit(pen, { width, y: y(threshold), colour: colours.line });
  parts.forEach((part, index) => drawPart(pen, part, x(index), y, { threshold, step }));
  if (state.preview !== null) {
    drawLimit(pen, { width, y: y(state.preview), colour: colours.preview, dashed: true });
  }
  const selected = placed.find((place) => place.part.number === state.selected);
  if (selected) drawCursor(pen, selected, width, height);
}

function drawScale(pen, { width, height, low, high, y, count }) {
  pen.strokeStyle = colours.grid;
  pen.lineWidth = 1;
  pen.strokeRect(LEFT - 0.5, TOP - 0.5, width - LEFT - RIGHT + 1, height - TOP - BOTTOM + 1);
  pen.fillStyle = colours.soft;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const value of [low + (high - low) * 0.06, (low + high) / 2, high - (high - low) * 0.06]) {
    pen.fillText(figure(value), LEFT - 6, y(value));
  }
  pen.textBaseline = "alphabetic";
  pen.fillText(text("newest"), width - RIGHT, height - 4);
  pen.textAlign = "left";
  pen.fillText(text("older", { count }), LEFT, height - 4);
}

function drawLimit(pen, { width, y, colour, dashed = false }) {
  if (!dashed) {
    pen.fillStyle = colours.zone;
    pen.fillRect(LEFT, TOP, width - LEFT - RIGHT, Math.max(0, y - TOP));
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.setLineDash(dashed ? [7, 5] : []);
  pen.beginPath();
  pen.moveTo(LEFT, y);
  pen.lineTo(width - RIGHT, y);
  pen.stroke();
  pen.setLineDash([]);
}

function drawPart(pen, part, x, y, { threshold, step }) {
  const kind = part.decision.toLowerCase();
  const at = part.score === null ? TOP + 4 : y(part.score);
  placed.push({ x, y: at, part });
  const size = Math.min(5, Math.max(2, step * 0.45));
  pen.fillStyle = colours[kind];
  pen.beginPath();
  if (kind === "ok") pen.arc(x, at, size * 0.8, 0, 7);
  else if (kind === "ng") pen.rect(x - size, at - size, 2 * size, 2 * size);
  else triangle(pen, x, at, size * 1.3);
  pen.fill();
  if (part.label) {
    pen.fillStyle = colours.ink;
    pen.fillRect(x - 1, at - size - 8, 2, 6);
  }
  if (state.preview === null || part.score === null) return;
  const was = threshold !== null && part.score > threshold;
  if (was === part.score > state.preview) return;
  pen.strokeStyle = colours.preview;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.arc(x, at, size + 2.5, 0, 7);
  pen.stroke();
}

function triangle(pen, x, y, size) {
  pen.moveTo(x, y - size);
  pen.lineTo(x + size, y + size);
  pen.lineTo(x - size, y + size);
  pen.closePath();
}

function drawCursor(pen, { x, y, part }, width, height) {
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1;
  pen.strokeRect(Math.round(x) - 0.5, TOP, 1, height - TOP - BOTTOM);
  pen.beginPath();
  pen.arc(x, y, 7, 0, 7);
  pen.stroke();
  const { number, decision, score } = part;
  const tip = text("partTip", { number, decision, score: figure(score) });
  pen.font = "600 13px system-ui, sans-serif";
  const wide = pen.measureText(tip).width + 12;
  const left = Math.min(Math.max(LEFT, x - wide / 2), width - RIGHT - wide);
  const top = y > height / 2 ? Math.max(TOP, y - 34) : y + 12;
  pen.fillStyle = colours.ink;
  pen.fillRect(left, top, wide, 22);
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--card").trim();
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillText(tip, left + 6, top + 11.5);
}

function describe(canvas, parts, threshold) {
  const count = (decision) => parts.filter((part) => part.decision === decision).length;
  const values = { count: parts.length, ok: count("OK"), ng: count("NG"), error: count("ERROR") };
  const shown = threshold === null ? text("thresholdNone") : figure(threshold);
  const summary = parts.length
    ? text("scoresSummary", { ...values, threshold: shown })
    : text("scoresNone");
  setAttribute(canvas, "aria-label", summary);
  setText(byId("threshold-now"), shown);
}

function select(event) {
  const x = event.clientX - byId("strip").getBoundingClientRect().left;
  const nearest = placed.reduce(
    (best, place) => (Math.abs(place.x - x) < Math.abs((best?.x ?? Infinity) - x) ? place : best),
    null,
  );
  if (nearest) update({ selected: nearest.part.number });
}

function walk(event) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by || !placed.length) return;
  event.preventDefault();
  const index = placed.findIndex((place) => place.part.number === state.selected);
  const next = index < 0 ? placed.length - 1 : index + by;
  if (placed[next]) update({ selected: placed[next].part.number });
}

/** The part that is selected on the strip, or undefined. */
export function selectedPart() {
  return state.parts.find((part) => part.number === state.selected);
}

export const timeOf = (part) => clock(part.decided_at);

export function startStrip() {
  watch(draw);
  const canvas = byId("strip");
  canvas.addEventListener("click", select);
  canvas.addEventListener("keydown", walk);
  new ResizeObserver(() => update({})).observe(canvas);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours = null;
    update({});
  });
}
