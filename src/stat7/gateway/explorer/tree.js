// JSON as a tree that opens and closes.

import { count, counted, fill, foreign, h } from "./dom.js";

const OPEN_DEPTH = 2;
const PIECE = 100;

/**
 * @param {*} value as JSON.parse gives it
 * @returns {HTMLElement}
 */
export function tree(value) {
  return h("div.tree.scroll", { tabindex: "0", role: "region", "aria-label": "State as a tree" }, node(value, 0));
}

function node(value, depth) {
  if (value === null || typeof value !== "object") return leaf(value);
  const entries = Array.isArray(value) ? value.map((each, at) => [at, each]) : Object.entries(value);
  const list = h("ul");
  add(list, entries, 0, depth);
  return list;
}

/** Members from one on, a piece of them at a time, as there may be thousands. */
function add(list, entries, from, depth) {
  list.append(...entries.slice(from, from + PIECE).map(([name, value]) => h("li", {}, member(name, value, depth))));
  const left = entries.length - from - PIECE;
  if (left <= 0) return;
  const more = h(
    "button.plain",
    {
      type: "button",
      onclick: () => {
        item.remove();
        add(list, entries, from + PIECE, depth);
        list.children[from + PIECE]?.querySelector("summary, button")?.focus();
      },
    },
    `${count(left)} more`,
  );
  const item = h("li", {}, more);
  list.append(item);
}

function member(name, value, depth) {
  const title = h("span.name", {}, name === "" ? "“”" : foreign(String(name)));
  if (value === null || typeof value !== "object") return h("span", {}, title, ": ", leaf(value));
  const number = Array.isArray(value) ? value.length : Object.keys(value).length;
  const told = Array.isArray(value) ? `list of ${count(number)}` : counted(number, "member");
  if (!number)
    return h("span", {}, title, ": ", h("span.soft", {}, Array.isArray(value) ? "empty list" : "empty object"));
  const inside = h("div");
  // What is closed is made when it is opened: documents may nest deeply.
  const open = () => inside.childNodes.length || fill(inside, node(value, depth + 1));
  const details = h(
    "details",
    { ontoggle: () => details.open && open() },
    h("summary", {}, title, " ", h("span.soft.small", {}, told)),
    inside,
  );
  if (depth + 1 < OPEN_DEPTH) {
    open();
    details.open = true;
  }
  return details;
}

function leaf(value) {
  if (typeof value === "string") return h("span.string", {}, foreign(value === "" ? "“”" : value));
  return h(`span.${value === null ? "null" : typeof value}`, {}, String(value));
}
