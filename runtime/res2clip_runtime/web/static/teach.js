// Teaching from the live picture: freeze, look, accept; name it, teach, inspect.

import { post, remove } from "./api.js";
import { need, whyNot } from "./access.js";
import { byId, make, setText } from "./dom.js";
import { showLive, showStill } from "./picture.js";
import { loadRecipes } from "./recipes.js";
import { products, state, update, watch } from "./state.js";
import { whenChanged, whenOpen } from "./stream.js";
import { openTab, tabIs } from "./tabs.js";
import { text } from "./strings.js";
import { complain, say } from "./toast.js";

const MOST = 16;
const REMEMBERED = "res2clip-tray";
let busy = false;
let opened = false; // where nothing has been taught yet, this is the first thing to do
let drawnTray = null;
let drawnReferences = null;

const pathOf = (id) => `/api/tray/${encodeURIComponent(id)}`;

/** Take the newest plain picture as a candidate and show it. */
export async function freeze() {
  if (busy || whyNot("operator")) return;
  if (state.tray.length >= MOST) {
    complain(new Error(text("trayFull")));
    return;
  }
  busy = true;
  try {
    if (state.view.kind === "frozen") await discard();
    const taken = await post("/api/tray", state.camera ? { camera: state.camera } : {});
    openTab("teach");
    showStill({ kind: "frozen", id: taken.id, doubts: taken.doubts, url: `${pathOf(taken.id)}.jpg` });
  } catch (error) {
    complain(error);
  } finally {
    busy = false;
  }
}

/** The frozen picture shows a good part. */
export function accept() {
  if (state.view.kind !== "frozen") return;
  const { id, doubts } = state.view;
  keepTray([...state.tray, { id, doubts }]);
  showLive();
}

export async function discard() {
  if (state.view.kind !== "frozen") return;
  const { id } = state.view;
  showLive();
  await remove(pathOf(id)).catch(() => {}); // the line forgets it by itself
}

async function takeOut(id) {
  keepTray(state.tray.filter((one) => one.id !== id));
  byId("freeze-teach").focus();
  await remove(pathOf(id)).catch(() => {});
}

function keepTray(tray) {
  update({ tray });
  sessionStorage.setItem(REMEMBERED, JSON.stringify(tray));
}

/** What was accepted before the page was loaded again, as far as the line still has it. */
async function restoreTray() {
  const known = JSON.parse(sessionStorage.getItem(REMEMBERED) ?? "[]");
  if (!known.length || state.tray.length) return;
  const there = await Promise.all(
    known.map(({ id }) => fetch(`${pathOf(id)}.jpg`).then((answer) => answer.ok, () => false)),
  );
  keepTray(known.filter((_, index) => there[index]));
}

async function teach(event) {
  event.preventDefault();
  const product = byId("product-name").value.trim();
  if (!product) return complain(new Error(text("nameFirst")));
  if (products().includes(product) && !(await confirmed(product))) return undefined;
  return send(product, products().includes(product));
}

async function send(product, replace) {
  const pictures = state.tray.map((one) => one.id);
  update({ teaching: { done: 0, total: pictures.length } });
  try {
    const answer = await post("/api/teach", { product, pictures, replace });
    keepTray([]);
    byId("product-name").value = "";
    await loadRecipes();
    say(text("taught", { product: answer.product, count: answer.references }));
    const doubts = answer.doubts ?? [];
    update({ teaching: null, taughtDoubts: doubts });
    if (!doubts.length) openTab("part");
  } catch (error) {
    update({ teaching: null });
    if (error.status === 409 && !replace && /already/.test(error.message)) {
      if (await confirmed(product)) await send(product, true);
    } else complain(error);
  }
}

function confirmed(product) {
  const dialog = byId("replace");
  setText(byId("replace-title"), text("replaceTitle", { product }));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function openAtFirst() {
  if (opened || !state.recipes) return;
  opened = true;
  if (!state.recipes.length) openTab("teach");
}

function draw() {
  openAtFirst();
  const { tray, view, teaching } = state;
  const frozen = view.kind === "frozen";
  const first = !tray.length && !frozen;
  for (const [index, done] of [!first, tray.length > 0, tray.length > 1].entries()) {
    byId(`step-${index + 1}`).classList.toggle("done", done);
  }
  need("operator", [byId("freeze"), byId("freeze-teach")], { note: byId("freeze-why") });
  const count = tray.length;
  const counted = { 0: "trayNone", 1: "trayOne" }[count] ?? "trayCount";
  setText(byId("tray-count"), text(counted, { count }));
  byId("teach-now").classList.toggle("needless", tabIs("teach"));
  drawTray();
  drawDoubts(byId("frozen-doubts"), frozen ? view.doubts : []);
  drawDoubts(byId("taught-doubts"), state.taughtDoubts ?? []);
  const running = teaching !== null && teaching.done < teaching.total;
  const off = running || !count || !byId("product-name").value.trim();
  need("engineer", [byId("teach")], { note: byId("teach-why"), off });
  byId("progress").hidden = !running;
  if (running) {
    byId("progress-bar").max = teaching.total;
    byId("progress-bar").value = teaching.done;
    setText(byId("progress-word"), text("teaching", teaching));
  }
  drawReferences();
}

function drawTray() {
  const key = state.tray.map((one) => one.id).join(" ");
  if (key === drawnTray) return;
  drawnTray = key;
  byId("tray").replaceChildren(...state.tray.map(trayItem));
}

function trayItem({ id }, index) {
  const label = text("remove", { index: index + 1 });
  const button = make("button", { className: "take-out", type: "button", textContent: "×" });
  button.setAttribute("aria-label", label);
  button.title = label;
  button.addEventListener("click", () => takeOut(id));
  const alt = text("traySaid", { count: index + 1 });
  return make("li", {}, make("img", { src: `${pathOf(id)}.jpg`, alt }), button);
}

function drawDoubts(list, doubts) {
  list.hidden = !doubts.length;
  const key = doubts.join("\n");
  if (list.dataset.shown === key) return;
  list.dataset.shown = key;
  list.replaceChildren(
    make("b", { textContent: text("doubts") }),
    ...doubts.map((doubt) => make("span", { textContent: doubt })),
  );
}

function drawReferences() {
  const product = state.health?.product ?? "";
  const recipe = state.recipes?.find((one) => one.product === product);
  const count = recipe?.references ?? 0;
  const key = JSON.stringify([product, count, recipe?.recipe_id]);
  if (key === drawnReferences) return;
  drawnReferences = key;
  const said = count ? text("references", { product, count }) : text("noReferences");
  setText(byId("references-word"), said);
  const path = `/api/recipes/${encodeURIComponent(product)}/references`;
  byId("references").replaceChildren(
    ...Array.from({ length: count }, (_, index) => {
      const alt = text("reference", { index: index + 1, product });
      return make("li", {}, make("img", { src: `${path}/${index}.png`, alt, loading: "lazy" }));
    }),
  );
}

export function startTeach() {
  watch(draw);
  for (const id of ["freeze", "freeze-teach"]) byId(id).addEventListener("click", freeze);
  byId("accept").addEventListener("click", accept);
  byId("discard").addEventListener("click", discard);
  byId("teach-form").addEventListener("submit", teach);
  byId("product-name").addEventListener("input", () => update({}));
  byId("teach-now").addEventListener("click", () => openTab("teach", { focus: true }));
  whenOpen(restoreTray);
  whenChanged(({ what }) => what === "recipes" && (drawnReferences = null));
}
