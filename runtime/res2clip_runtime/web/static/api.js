// Requests to the line; every error is a sentence for the person at the page.

import { text } from "./strings.js";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let onDenied = () => {};

/** Call `action` whenever the line wants a login. */
export function whenDenied(action) {
  onDenied = action;
}

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      cache: "no-store",
      credentials: "same-origin",
      headers: { "X-Res2clip": "page", ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Refused(text("unreachable"), 0);
  }
  const given = await answer.json().catch(() => ({}));
  if (answer.ok) return given;
  if (answer.status === 401 && path !== "/api/login") onDenied();
  throw new Refused(given.error || text("failed", { status: answer.status }), answer.status);
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const put = (path, body) => ask("PUT", path, body);
export const remove = (path) => ask("DELETE", path);
