// A short word on what has just happened.

import { byId, make } from "./dom.js";

const SHOWN_MS = 6000;
const FAULT_MS = 15000;

function show(message, kind) {
  const toast = make("div", { className: `toast ${kind}`, textContent: message });
  byId("toasts").append(toast);
  setTimeout(() => toast.remove(), kind === "bad" ? FAULT_MS : SHOWN_MS);
  toast.addEventListener("click", () => toast.remove());
}

export const say = (message) => show(message, "good");
export const complain = (error) => show(error.message, "bad");
