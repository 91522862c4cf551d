// Elements and figures: the few functions that every part of the page draws with.

import { text } from "./strings.js";

export const byId = (id) => document.getElementById(id);

/** A new element; `aria-*`, `role` and `data-*` become attributes, the rest properties. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon of the page's own set. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Change a text only where it differs: screen readers say what changes. */
export function setText(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Fill in every text and label of the page's frame. */
export function fillTexts(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
  }
  for (const element of root.querySelectorAll("[data-title]")) {
    element.title = text(element.dataset.title);
  }
}

/** A score with the digits that matter beside others of its kind. */
export function figure(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.1 || size === 0 ? 3 : 5);
}

/** How long, in the unit that a person would use. */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return text("seconds", { count: seconds });
  if (seconds < 7200) return text("minutes", { count: Math.round(seconds / 60) });
  if (seconds < 172800) return text("hours", { count: Math.round(seconds / 3600) });
  return text("days", { count: Math.round(seconds / 86400) });
}

/** The time of day of an ISO 8601 time, in this machine's zone. */
export function clock(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? "–" : date.toLocaleTimeString("en-GB");
}
