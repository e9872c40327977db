// The page of what was found: how it is asked, the choice of views, and the way to more.

import { ask } from "./api.js";
import { cards, table } from "./listing.js";
import { announce, count, counted, fill, foreign, h } from "./dom.js";
import { forget, found } from "./found.js";
import { emptyStore, noMatches, problemPanel } from "./message.js";
import { plot } from "./plot.js";
import { href, withFilter } from "./state.js";

const STEP = { cards: 60, table: 60, plot: 1000 };
const VIEWS = { cards, table, plot };
const NAMES = { adjacent_to: "neighbour of", file: "has the file", type: "type" };

/**
 * Show what is found.
 * @param {HTMLElement} main
 * @param {import("./state.js").State} state
 * @param {{signal: AbortSignal, askKey: function(): void, again: function(): void, replace: function(string): void,
 *   fault: function(string, string): void, types: function(Iterable<string>): void}} page
 * @returns {Promise<void>} when it is shown
 */
export async function showResults(main, state, page) {
  const heading = h("h1.hidden", { tabindex: "-1" }, "Entities");
  const tally = h("span", { id: "tally" }, "Looking…");
  const plan = h("p.soft.small", { id: "plan" });
  const about = h("span.soft", { id: "about" });
  const body = h("div.results", { id: "results", "aria-busy": "true" });
  fill(
    main,
    heading,
    h("div.head", {}, h("div", {}, h("p.tally", {}, tally, about), plan), views(state)),
    chosen(state),
    body,
  );
  explain(plan, about, state, page.signal);
  const matches = found(state);
  try {
    await matches.reach(state.shown || STEP[state.view], page.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    failed(body, tally, error, state, page);
    return;
  }
  page.fault("", "");
  draw(body, tally, matches, state, page);
}

function failed(body, tally, error, state, page) {
  tally.closest(".head > div").hidden = true;
  page.fault(error.document?.field ?? "", error.document?.reason ?? "");
  const unsupported = String(error.document?.type ?? "").endsWith(":unsupported");
  const scan =
    unsupported && !state.scan && h("a.button", { href: href(state, { scan: true }) }, "Read everything, however long");
  const more = [
    scan,
    error.document?.field && h("a.button", { href: href(state, { filters: {} }) }, "Clear all filters"),
  ];
  fill(body, problemPanel(error, { retry: page.again, askKey: page.askKey, more: more.filter(Boolean) }));
  body.removeAttribute("aria-busy");
}

function draw(body, tally, matches, state, page) {
  const shown = matches.matches.slice(0, state.shown || STEP[state.view]);
  const rest = matches.matches.length > shown.length || !matches.complete;
  page.types(shown.filter((match) => match.document).map((match) => match.document.entity_type));
  body.removeAttribute("aria-busy");
  const said = rest
    ? `The first ${count(shown.length)}`
    : shown.length
      ? counted(shown.length, "match", "matches")
      : "No match";
  fill(tally, said);
  // What was estimated matters only while it isn't known.
  document.getElementById("about").hidden = !rest;
  announce(said);
  if (!shown.length) {
    const nothing = !Object.keys(state.filters).length;
    fill(
      body,
      nothing
        ? emptyStore(() => {
            forget();
            page.again();
          })
        : noMatches(href(state, { filters: {}, shown: 0 })),
    );
    return;
  }
  const view = VIEWS[state.view](shown, state, page);
  fill(body, view, rest && more(body, tally, matches, state, page, shown.length));
  // Only now is it known how wide it is.
  view.dispatchEvent(new Event("attached"));
}

/** The way to more: the view's address then says how many are shown, so that a reload shows as many. */
function more(body, tally, matches, state, page, before) {
  const wanted = before + STEP[state.view];
  const button = h(
    "button.more",
    {
      type: "button",
      id: "more",
      onclick: async () => {
        button.disabled = true;
        fill(button, "Fetching…");
        try {
          await matches.reach(wanted, page.signal);
        } catch (error) {
          if (error.name === "AbortError") return;
          button.replaceWith(problemPanel(error, { retry: page.again, askKey: page.askKey }));
          return;
        }
        const next = { ...state, shown: wanted };
        page.replace(href(next));
        draw(body, tally, matches, next, page);
        body.querySelectorAll(".entry")[before]?.querySelector("a")?.focus();
      },
    },
    `Show ${count(STEP[state.view])} more`,
  );
  return button;
}

function views(state) {
  return h(
    "nav.views",
    { "aria-label": "Views" },
    Object.keys(VIEWS).map((view) =>
      h(
        "a",
        {
          href: href(state, { view, shown: 0 }),
          "aria-current": view === state.view ? "page" : null,
          "data-view": view,
        },
        view[0].toUpperCase() + view.slice(1),
      ),
    ),
  );
}

/** The filters that hold, each to be taken away. */
function chosen(state) {
  const names = Object.keys(state.filters);
  if (!names.length) return null;
  const items = names.map((name) =>
    h(
      "li",
      {},
      h(
        "a.taken",
        {
          href: href(state, withFilter(state, name, "")),
          "aria-label": `Remove the filter ${name} ${state.filters[name]}`,
        },
        h("span.soft", {}, `${NAMES[name] ?? name} `),
        foreign(state.filters[name]),
        h("span.cross", { "aria-hidden": "true" }, "×"),
      ),
    ),
  );
  const all = h(
    "li",
    {},
    h("a.button.plain", { href: href(state, { filters: {}, shown: 0 }), id: "clear" }, "Clear all"),
  );
  return h("ul.row.taken-list", { "aria-label": "Filters that hold" }, items, all);
}

async function explain(line, about, state, signal) {
  try {
    const plan = await ask("/explain", state.filters, { signal });
    fill(line, `How it is answered: ${plan.method}, ${plan.detail}`);
    fill(about, ` of about ${count(plan.matches)}`);
  } catch {
    // The find itself tells what is wrong.
    fill(line);
  }
}
