// What is said where there is nothing to show: problems, no matches, an empty store.

import { count, foreign, h, time } from "./dom.js";

/** What each status means to whoever looks, and what they can do; the gateway's own words follow. */
const MEANINGS = {
  400: "The question can't be answered as it is",
  401: "A valid key is needed",
  403: "This key may not read here",
  404: "Nothing is stored there",
  408: "That took too long",
  410: "It was withdrawn",
  421: "The gateway isn't known by this name",
  429: "Too many requests",
  500: "The gateway couldn't answer",
  503: "The gateway is busy, or its store can't be reached",
};

/**
 * A problem as a panel, with what can be done about it.
 * @param {import("./api.js").Problem|Error} error
 * @param {{retry?: function(): void, askKey?: function(): void, more?: Node[]}} [ways]
 */
export function problemPanel(error, ways = {}) {
  const told = error.document ?? { title: "The page failed", detail: String(error.message ?? error) };
  const title = corrupt(error) ? "The stored bytes are damaged" : (MEANINGS[error.status] ?? told.title);
  const keyed = error.status === 401 || error.status === 403;
  return h(
    "section.panel.message.bad",
    { role: "alert", "data-status": error.status ?? "" },
    h("h2", {}, title),
    told.detail && h("p", {}, foreign(told.detail)),
    told.notice && noticeFacts(told.notice),
    error.wait > 0 && h("p.soft", {}, `The next try makes sense in ${count(error.wait)} s.`),
    h(
      "div.row",
      {},
      keyed && ways.askKey && h("button.main", { type: "button", onclick: ways.askKey }, "Enter a key"),
      ways.retry &&
        ![404, 410].includes(error.status) &&
        h("button", { type: "button", onclick: ways.retry }, "Try again"),
      ...(ways.more ?? []),
    ),
    told.request && h("p.soft.small", {}, "Request ", h("code", {}, told.request)),
  );
}

/** Whether the gateway found that bytes don't hash to their address. */
export function corrupt(error) {
  return error.status === 500 && String(error.document?.type ?? "").endsWith(":corrupt");
}

/** What a receipt of a withdrawal says. */
export function noticeFacts(notice) {
  return h(
    "dl.facts",
    {},
    h("dt", {}, "Case"),
    h("dd", {}, foreign(notice.case)),
    h("dt", {}, "Reason"),
    h("dd", {}, foreign(notice.reason)),
    h("dt", {}, "Withdrawn"),
    h("dd", {}, time(notice.withdrawn_at)),
  );
}

/** For a store in which nothing is yet. */
export function emptyStore(again) {
  const lines = [
    "stat7 import files PICTURES         # a folder of pictures, movies, papers",
    "stat7 import table ROWS.csv --map MAP.toml",
    "stat7 import git .                  # the history of a repository",
    "stat7 put DOCUMENT.json",
  ];
  return h(
    "section.panel.message",
    { id: "empty" },
    h("h2", {}, "Nothing is stored here yet"),
    h("p", {}, "Bring something in, on the machine and in the folder where the gateway was started:"),
    h("pre", {}, lines.join("\n")),
    h("button.main", { type: "button", onclick: again }, "Look again"),
  );
}

/** For filters that nothing fits. */
export function noMatches(clearHref) {
  return h(
    "section.panel.message",
    { id: "no-matches" },
    h("h2", {}, "Nothing matches"),
    h("p", {}, "No entity fits all of these filters. Widen a range, or take a filter away."),
    h("a.button", { href: clearHref }, "Clear all filters"),
  );
}
