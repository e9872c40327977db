// Asking the gateway: JSON, bytes, and what went wrong.

const KEY = "stat7-key";

/** What the gateway refused, or why it couldn't be asked (status 0). `document` are the problem details. */
export class Problem extends Error {
  constructor(status, document, wait = 0) {
    super(document.detail || document.title || `status ${status}`);
    this.status = status;
    this.document = document;
    this.wait = wait;
  }
}

/** The key that was entered in this tab, "" for none. It is kept until the tab is closed. */
export function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Keep a key for this tab, or forget it (""). */
export function setKey(text) {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
}

/**
 * GET something.
 * @param {string} path
 * @param {{signal?: AbortSignal, fresh?: boolean, anonymous?: boolean}} [how] `fresh`: past the browser's cache;
 *   `anonymous`: without the key
 * @returns {Promise<Response>} one that is ok
 * @throws {Problem}
 */
export async function get(path, how = {}) {
  const headers = key() && !how.anonymous ? { Authorization: `Bearer ${key()}` } : {};
  let answer;
  try {
    answer = await fetch(path, {
      headers,
      signal: how.signal,
      credentials: "omit",
      redirect: "error",
      // What was withdrawn must not be shown from the browser's own cache.
      cache: how.fresh ? "no-store" : "no-cache",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/**
 * GET JSON.
 * @param {string} path
 * @param {Object<string, string|number>} [query] parameters; empty ones are left out
 * @param {{signal?: AbortSignal}} [how]
 */
export async function ask(path, query = {}, how = {}) {
  const answer = await get(withQuery(path, query), how);
  return read(answer, (body) => body.json());
}

/** GET bytes. */
export async function bytes(path, how = {}) {
  const answer = await get(path, how);
  return new Uint8Array(await read(answer, (body) => body.arrayBuffer()));
}

/** GET a blob, to be shown from memory. */
export async function blob(path, how = {}) {
  const answer = await get(path, how);
  return read(answer, (body) => body.blob());
}

/** A path with parameters; empty ones are left out. */
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

let openToAll = null;

/** Whether reading takes no key here: then pictures and movies can be fetched by the browser itself. */
export function readingIsOpen() {
  openToAll ??= ask("/whoami", {}, { anonymous: true }).then(
    (caller) => caller.scopes.includes("read"),
    () => {
      openToAll = null;
      return false;
    },
  );
  return openToAll;
}

async function read(answer, how) {
  try {
    return await how(answer);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "The answer broke off", detail: "it ended before it was whole; try again" });
  }
}

function unreachable() {
  return new Problem(0, {
    title: "The gateway can't be reached",
    detail: "is it still running, and are you online? then try again",
  });
}

async function problemOf(answer) {
  const wait = Number(answer.headers.get("Retry-After")) || 0;
  let document = {};
  try {
    const given = await answer.json();
    if (given && typeof given === "object") document = given;
  } catch {
    // An error of something in between, which isn't ours to read.
  }
  return new Problem(answer.status, { title: `The answer is status ${answer.status}`, ...document }, wait);
}
