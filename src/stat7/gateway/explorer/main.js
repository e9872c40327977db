// The explorer: which view the address asks for, and what stays while views change.

import { ask } from "./api.js";
import { count, fill, h } from "./dom.js";
import { showEntity } from "./entity.js";
import { counts, filterPanel } from "./filters.js";
import { forget } from "./found.js";
import { keyDialog } from "./key.js";
import { problemPanel } from "./message.js";
import { showResults } from "./results.js";
import { entityHref, href, isAddress, readState, withFilter } from "./state.js";

const main = document.getElementById("main");
const layout = document.getElementById("layout");
const PAUSE = 150;

let state = readState(location.hash);
let running = new AbortController();
let lastFilter = "";
let left = "";
const places = new Map();

const panel = filterPanel(document.getElementById("filters"), setFilter);
const openKey = keyDialog(document.getElementById("key-dialog"), document.getElementById("key-button"), () => {
  forget();
  tellStore();
  show();
});

/** A filter was set. Several steps of one slider are one step of the way back. */
function setFilter(name, text) {
  const made = href(state, withFilter(state, name, text));
  if (made === location.hash) return;
  if (lastFilter === name) {
    history.replaceState(null, "", made);
    setTimeout(() => made === location.hash && navigate(), PAUSE);
  } else {
    location.hash = made;
  }
  lastFilter = name;
}

function navigate() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  places.set(href(state), scrollY);
  const before = state;
  state = readState(location.hash);
  if (before.address) left = before.address;
  if (before.address !== state.address || before.view !== state.view) lastFilter = "";
  show(before);
}

async function show(before = null) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const page = {
    signal,
    askKey: openKey,
    fault: panel.fault,
    types: panel.types,
    again: () => {
      forget();
      show();
    },
    replace: (made) => {
      history.replaceState(null, "", made);
      state = readState(made);
    },
    go: (made) => {
      location.hash = made;
    },
  };
  panel.show(state);
  layout.classList.toggle("alone", state.address !== null);
  const focused = main.contains(document.activeElement)
    ? document.activeElement.id || focusName(document.activeElement)
    : null;
  if (!state.address) document.title = "stat7 explorer";
  await (state.address ? showEntity(main, state, page) : showResults(main, state, page));
  if (!signal.aborted) settle(before, focused);
}

/** Where to look next: at the top of another page, or where one was before. */
function settle(before, focused) {
  if (before === null) return;
  if (before.address !== state.address) {
    const link = !state.address && left ? main.querySelector(`[data-address="${left}"]`) : null;
    scrollTo(0, state.address ? 0 : (places.get(href(state)) ?? 0));
    if (link) link.focus({ preventScroll: places.has(href(state)) });
    else main.querySelector("h1")?.focus({ preventScroll: true });
  } else if (focused) {
    (document.getElementById(focused) ?? main.querySelector(focused) ?? main.querySelector("h1"))?.focus({
      preventScroll: true,
    });
  }
}

/** A selector by which a control is found again after it was made anew. */
function focusName(element) {
  if (element.dataset.view) return `[data-view="${element.dataset.view}"]`;
  return element.matches(".taken, #clear") ? ".taken, h1" : "h1";
}

async function tellStore() {
  const stats = await counts();
  const line = document.getElementById("store");
  if (!stats) {
    fill(line);
    return;
  }
  panel.counts(stats);
  fill(
    line,
    `${count(stats.entities)} documents, all versions counted `,
    `(store: ${stats.kinds.store}, files: ${stats.kinds.files}). `,
    "Every address is the SHA-256 of what it names.",
  );
}

async function lookUp(event) {
  event.preventDefault();
  const input = document.getElementById("lookup-text");
  const text = input.value.trim();
  if (!text) return;
  try {
    const address = isAddress(text) ? text : (await ask("/head", { id: text })).address;
    location.hash = entityHref(state, address);
    input.value = "";
  } catch (error) {
    running.abort();
    const title = h("h1", { tabindex: "-1" }, "Open an entity");
    layout.classList.add("alone");
    fill(
      main,
      title,
      problemPanel(error, {
        askKey: openKey,
        more: [h("button", { type: "button", onclick: () => show() }, "Go back")],
      }),
    );
    title.focus();
  }
}

document.getElementById("lookup").addEventListener("submit", lookUp);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", navigate);
history.scrollRestoration = "manual";
tellStore();
show();
