// What can be inspected, and which product is.

import { get, post } from "./api.js";
import { whyNot } from "./access.js";
import { byId, make, setAttribute } from "./dom.js";
import { products, state, update, watch } from "./state.js";
import { whenChanged, whenOpen } from "./stream.js";
import { text } from "./strings.js";
import { complain } from "./toast.js";

let drawn = null;

export async function loadRecipes() {
  update({ recipes: await get("/api/recipes") });
}

function draw() {
  const select = byId("product");
  const names = products();
  const chosen = state.health?.product ?? "";
  const key = JSON.stringify([names, chosen, state.recipes === null]);
  if (key !== drawn) {
    drawn = key;
    const none = !state.recipes ? "productUnknown" : names.length ? "productNone" : "productEmpty";
    const options = names.map((name) => make("option", { value: name, textContent: name }));
    if (!chosen) options.unshift(make("option", { value: "", textContent: text(none) }));
    select.replaceChildren(...options);
    select.value = chosen;
  }
  const why = names.length ? whyNot("operator") : text("emptyDetail");
  select.disabled = Boolean(why);
  setAttribute(select, "title", why);
}

async function choose(event) {
  const product = event.target.value;
  if (!product) return;
  try {
    await post("/api/product", { product });
    update({ health: { ...state.health, product }, preview: null, selected: null });
  } catch (error) {
    drawn = null;
    complain(error);
    update({});
  }
}

export function startRecipes() {
  watch(draw);
  byId("product").addEventListener("change", choose);
  whenOpen(() => loadRecipes().catch(complain));
  whenChanged(({ what }) => {
    if (["recipes", "product", "threshold"].includes(what)) loadRecipes().catch(complain);
  });
}
