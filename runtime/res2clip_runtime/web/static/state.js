// What the page knows of the line; whoever draws watches it.

const MOST_PARTS = 500;
const HOLD_MS = 1500; // what is not OK stays so long on the lamp: one part may pass in 50 ms
const GAPS = 9;

export const state = {
  link: "connecting", // connecting | open | lost | denied
  linkLostAt: null, // Date
  health: null,
  me: { name: "", role: "viewer", login_needed: false },
  recipes: null, // not known yet
  parts: [],
  current: new Map(), // camera (or "" for parts of several pictures) -> see noteVerdict
  last: null, // newest verdict that was decided
  selected: null, // number of the part chosen on the strip
  view: { kind: "live" }, // live | frozen | ng
  heat: true,
  camera: "",
  preview: null, // threshold that the slider tries
  teaching: null, // {done, total}
  tray: [],
  ng: { entries: [], more: false, loaded: false },
};

const watchers = [];
let scheduled = false;

/** Call `draw` soon after every change, at most once a screen refresh. */
export function watch(draw) {
  watchers.push(draw);
}

export function update(patch) {
  Object.assign(state, patch);
  redraw();
}

export function redraw() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const draw of watchers) draw(state);
  });
}

const SEVERITY = { OK: 0, NG: 1, ERROR: 2 };
export const worse = (a, b) => SEVERITY[a.decision] > SEVERITY[b.decision];

/** Take a verdict that has just been decided. */
export function noteVerdict(verdict, now = performance.now()) {
  if (!verdict.product) return; // nothing is judged before a product is chosen
  const key = verdict.part_id === null ? verdict.camera : "";
  const before = state.current.get(key);
  const gaps = before ? [...before.gaps, now - before.at].slice(-GAPS) : [];
  const held = before && worse(before.shown, verdict) && now - before.shownAt < HOLD_MS;
  state.current.set(key, {
    at: now,
    gaps,
    shown: held ? before.shown : verdict,
    shownAt: held ? before.shownAt : now,
    newest: verdict,
  });
  state.last = verdict;
  state.parts.push(partOf(verdict));
  if (state.parts.length > MOST_PARTS) state.parts.splice(0, state.parts.length - MOST_PARTS);
  redraw();
}

function partOf(verdict) {
  const { number, product, decision, score, threshold, camera, decided_at, reason } = verdict;
  return { number, product, decision, score, threshold, camera, decided_at, reason, label: null };
}

/** Forget what was current: it may be long ago by the time that the line is back. */
export function forgetCurrent() {
  state.current.clear();
}

/** The products that can be chosen, each once. */
export function products() {
  return [...new Set((state.recipes ?? []).map((recipe) => recipe.product))];
}

/** The recipe that is inspected with, or undefined. */
export function chosenRecipe() {
  return state.recipes?.find((recipe) => recipe.product === state.health?.product);
}

/** The last parts of the chosen product, oldest first. */
export function chosenParts() {
  const product = state.health?.product;
  return state.parts.filter((part) => part.product === product);
}
