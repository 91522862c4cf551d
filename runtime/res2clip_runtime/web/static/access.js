// Who is at the page and what they may do; what they may not is disabled and says why.

import { get, post, whenDenied } from "./api.js";
import { byId, setAttribute, setText } from "./dom.js";
import { state, update, watch } from "./state.js";
import { connect } from "./stream.js";
import { text } from "./strings.js";
import { say } from "./toast.js";

const ROLES = ["viewer", "operator", "engineer"];

export const may = (role) => ROLES.indexOf(state.me.role) >= ROLES.indexOf(role);

/** Why somebody cannot do what needs `role`; empty where they can. */
export function whyNot(role) {
  if (state.link !== "open") return text("needsLink");
  if (may(role)) return "";
  return text("needsRole", { wanted: text(`role_${role}`), role: text(`role_${state.me.role}`) });
}

/**
 * Disable `buttons` for whom `role` is needed, and say why in `note`.
 * `why` is another reason; `off` disables without one (nothing to do yet).
 */
export function need(role, buttons, { note = null, why = "", off = false } = {}) {
  const reason = whyNot(role) || why;
  for (const button of buttons) {
    button.disabled = Boolean(reason) || off;
    setAttribute(button, "title", reason);
  }
  if (note) {
    setText(note, reason);
    note.hidden = !reason;
  }
}

export async function loadMe() {
  const me = await get("/api/me");
  update({ me: { ...me, role: me.role || "viewer" } });
}

function draw() {
  const { me, link } = state;
  setText(byId("user-name"), me.name || text("logIn"));
  setText(byId("user-role"), me.name ? text(`role_${me.role}`) : "");
  const shown = link === "denied" || me.login_needed; // without users there is nobody to log in
  byId("user").hidden = !shown;
  if (link === "denied" && !byId("login").open && !dismissed) openLogin();
}

let dismissed = false;

function openLogin() {
  setText(byId("login-error"), "");
  byId("login").showModal();
}

async function logIn(event) {
  event.preventDefault();
  const form = event.target;
  const [name, password] = [form.elements.name.value, form.elements.password.value];
  try {
    await post("/api/login", { name, password });
    form.reset();
    byId("login").close();
    update({ link: "connecting" });
    await loadMe();
    connect();
    say(text("loggedIn", { name: state.me.name, role: text(`role_${state.me.role}`) }));
  } catch (error) {
    setText(byId("login-error"), error.message);
  }
}

async function logOut() {
  await post("/api/logout").catch(() => {});
  update({ me: { name: "", role: "viewer", login_needed: true }, link: "denied" });
  dismissed = true;
  connect(); // ends the stream of whoever was here; the line refuses the new one
  say(text("loggedOut"));
}

export function startAccess() {
  watch(draw);
  whenDenied(() => update({ link: "denied" }));
  byId("user").addEventListener("click", () => (state.me.name ? logOut() : openLogin()));
  byId("login-form").addEventListener("submit", logIn);
  byId("login").addEventListener("close", () => (dismissed = true));
}
