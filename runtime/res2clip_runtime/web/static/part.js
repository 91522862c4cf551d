// The part that is looked at: its figures, its time, and whether the verdict was right.

import { post } from "./api.js";
import { need } from "./access.js";
import { byId, clock, figure, make, setText } from "./dom.js";
import { chosenParts, state, update, watch } from "./state.js";
import { selectedPart } from "./strip.js";
import { text } from "./strings.js";
import { complain, say } from "./toast.js";

const STAGES = ["preprocess", "encoder", "match", "heads", "score", "service"];

/** Which part a label is for: the one looked at, else the newest with that decision. */
function target(decision) {
  if (state.view.kind === "ng") {
    const { id, number } = state.view;
    return decision === "NG" ? { id, number } : null;
  }
  const part =
    selectedPart() ?? chosenParts().filter((one) => one.decision === decision).at(-1);
  return part && part.decision === decision ? { number: part.number } : null;
}

function draw() {
  const chosen = selectedPart();
  const part = chosen ?? chosenParts().at(-1);
  const heading = chosen ? text("selectedPart", { number: chosen.number }) : text("latestPart");
  setText(byId("part-heading"), heading);
  byId("unselect").hidden = !chosen;
  setText(byId("part-number"), part ? String(part.number) : "–");
  setText(byId("part-decision"), part?.decision ?? "");
  byId("part-decision").dataset.kind = part?.decision ?? "";
  setText(byId("part-score"), figure(part?.score));
  setText(byId("part-threshold"), figure(part?.threshold));
  setText(byId("part-time"), part ? clock(part.decided_at) : "–");
  const known = state.last?.number === part?.number ? state.last : null;
  setText(byId("part-regions"), known ? String(known.regions.length) : "–");
  setText(byId("part-reason"), part?.reason ?? "");
  drawLatency(byId("latency"), state.health?.latency_ms ?? {});
  drawFeedback();
}

function drawFeedback() {
  const ng = target("NG");
  const ok = target("OK");
  const good = ng ? text("wasGoodOf", { number: ng.number }) : text("noNgPart");
  const bad = ok ? text("missedOf", { number: ok.number }) : text("noOkPart");
  setText(byId("was-good-of"), good);
  setText(byId("missed-of"), bad);
  need("operator", [byId("was-good")], { note: byId("feedback-why"), off: !ng });
  need("operator", [byId("missed")], { off: !ok });
  const free = state.last !== null && state.last.trigger_id === null;
  const why = free ? text("runsFreely") : "";
  need("operator", [byId("trigger")], { note: byId("trigger-why"), why });
}

/** Bars of the time that each stage takes. */
export function drawLatency(list, latency) {
  const names = STAGES.filter((name) => latency[name] !== undefined);
  const rest = Object.keys(latency).filter((name) => !STAGES.includes(name) && name !== "total");
  const shown = [...names, ...rest, ...(latency.total === undefined ? [] : ["total"])];
  const most = Math.max(1, ...shown.map((name) => latency[name]));
  if (!shown.length) {
    list.replaceChildren(make("p", { className: "soft", textContent: text("latencyNone") }));
    return;
  }
  if (list.children.length !== shown.length || list.firstElementChild.tagName === "P") {
    list.replaceChildren(...shown.map(() => row()));
  }
  shown.forEach((name, index) => {
    const [label, bar, value] = list.children[index].children;
    setText(label, name);
    const ms = latency[name];
    setText(value, text("milliseconds", { ms: ms.toFixed(ms < 10 ? 1 : 0) }));
    bar.firstElementChild.style.setProperty("width", `${(100 * ms) / most}%`);
  });
}

function row() {
  return make(
    "div",
    { className: "stage-row" },
    make("span", {}),
    make("span", { className: "track" }, make("span", { className: "fill" })),
    make("span", { className: "figure" }),
  );
}

/** Keep what a person says of a verdict. */
export async function giveFeedback(label) {
  const about = target(label === "good" ? "NG" : "OK");
  if (!about) return;
  const body = { label, comment: byId("comment").value.trim() };
  const which = about.id === undefined ? { number: about.number } : { id: about.id };
  try {
    await post("/api/feedback", { ...which, ...body });
    byId("comment").value = "";
    const part = state.parts.find((one) => one.number === about.number);
    if (part) part.label = label;
    for (const entry of state.ng.entries) if (entry.number === about.number) entry.label = label;
    update({ ng: { ...state.ng } });
    say(text(`kept_${label}`, { number: about.number }));
  } catch (error) {
    complain(error);
  }
}

export async function giveTrigger() {
  try {
    const { id } = await post("/api/trigger");
    say(text("triggered", { id }));
  } catch (error) {
    complain(error);
  }
}

export function startPart() {
  watch(draw);
  byId("was-good").addEventListener("click", () => giveFeedback("good"));
  byId("missed").addEventListener("click", () => giveFeedback("missed"));
  byId("trigger").addEventListener("click", giveTrigger);
  byId("unselect").addEventListener("click", () => update({ selected: null }));
}
