// The threshold: try another one on the last parts, then apply it.

import { put } from "./api.js";
import { need } from "./access.js";
import { byId, figure, setText } from "./dom.js";
import { loadRecipes } from "./recipes.js";
import { chosenParts, chosenRecipe, state, update, watch } from "./state.js";
import { judged, span } from "./strip.js";
import { text } from "./strings.js";
import { complain, say } from "./toast.js";

const STEPS = 400;
let range = [0, 1];

/** Open or close the slider. */
export function toggleThreshold(wanted = byId("threshold-panel").hidden) {
  byId("threshold-panel").hidden = !wanted;
  byId("adjust").setAttribute("aria-expanded", String(wanted));
  setText(byId("adjust-word"), text(wanted ? "adjustClose" : "adjust"));
  if (!wanted) return update({ preview: null });
  begin();
  byId("slider").focus();
  return undefined;
}

function begin() {
  const parts = chosenParts();
  const threshold = chosenRecipe()?.threshold ?? null;
  range = span(parts, threshold);
  const slider = byId("slider");
  [slider.min, slider.max] = range;
  slider.step = (range[1] - range[0]) / STEPS;
  show(threshold ?? range[1]);
  update({ preview: null });
}

function show(value) {
  byId("slider").value = value;
  byId("slider").setAttribute("aria-valuetext", figure(value));
  if (document.activeElement !== byId("threshold-number")) {
    byId("threshold-number").value = Number(value.toPrecision(5));
  }
}

function attempt(value) {
  if (!Number.isFinite(value)) return;
  show(value);
  update({ preview: value });
}

function draw() {
  if (byId("threshold-panel").hidden) return;
  const recipe = chosenRecipe();
  const threshold = recipe?.threshold ?? null;
  const { count, after, before, toNg, toOk } = judged(
    chosenParts(), threshold, state.preview ?? threshold,
  );
  const changed = toNg + toOk > 0;
  const key = !count ? "previewNone" : after === before && !changed ? "previewSame" : "preview";
  setText(byId("preview"), text(key, { count, after, before }));
  setText(byId("preview-changed"), changed ? text("previewChanged", { toNg, toOk }) : "");
  const why = !recipe
    ? text("thresholdNoProduct")
    : recipe.threshold_fixed
      ? text("thresholdFixed")
      : "";
  const touched = state.preview !== null && state.preview !== threshold;
  need("engineer", [byId("apply")], { note: byId("threshold-why"), why, off: !touched });
  byId("reset").disabled = !touched;
}

async function apply() {
  const recipe = chosenRecipe();
  const after = state.preview;
  if (!recipe || after === null) return;
  const before = recipe.threshold;
  try {
    await put(`/api/recipes/${encodeURIComponent(recipe.product)}/threshold`, { score: after });
    await loadRecipes();
    update({ preview: null });
    begin();
    say(text("applied", { before: figure(before), after: figure(after) }));
  } catch (error) {
    complain(error);
  }
}

export function startThreshold() {
  watch(draw);
  byId("adjust").addEventListener("click", () => toggleThreshold());
  byId("slider").addEventListener("input", (event) => attempt(event.target.valueAsNumber));
  byId("threshold-number").addEventListener("input", (event) =>
    attempt(event.target.valueAsNumber),
  );
  byId("apply").addEventListener("click", apply);
  byId("reset").addEventListener("click", begin);
}
