// An entity's relatives: its earlier and later versions, and its neighbours in both directions.

import { ask } from "./api.js";
import { fill, foreign, h, short, time } from "./dom.js";
import { damage } from "./listing.js";
import { noticeFacts, problemPanel } from "./message.js";
import { entityHref, href } from "./state.js";

const VERSIONS = 20;
const NEIGHBOURS = 40;

/**
 * The versions of an id, newest first.
 * @returns {HTMLElement} filled when they come
 */
export function history(id, state, page) {
  const list = h("ol.versions");
  const place = h("div", { id: "history", "aria-busy": "true" }, list);
  load(null);
  return place;

  async function load(cursor) {
    try {
      const answer = await ask("/history", { id, limit: VERSIONS, cursor }, { signal: page.signal });
      list.append(...answer.versions.map((version) => h("li", {}, versionLine(version, state))));
      if (!list.children.length) place.append(h("p.soft", {}, "No version of it is current."));
      if (answer.cursor) place.append(moreButton("Older versions", () => load(answer.cursor)));
    } catch (error) {
      if (error.name === "AbortError") return;
      place.append(error.status === 404 ? h("p.soft", {}, "No version of it is current.") : problemPanel(error));
    }
    place.removeAttribute("aria-busy");
  }
}

function versionLine(version, state) {
  const here = version.address === state.address;
  const code = h("code", {}, short(version.address));
  if (version.notice) return h("details", {}, h("summary", {}, code, " withdrawn"), noticeFacts(version.notice));
  if (version.problem)
    return h("div.row", {}, h("a", { href: entityHref(state, version.address) }, code), damage());
  const { created_at: created, entity_type: type } = version.document;
  return h(
    "div.row",
    {},
    here ? h("strong", { "aria-current": "page" }, code) : h("a", { href: entityHref(state, version.address) }, code),
    h("span.soft.small", {}, created ? time(created) : "without a time"),
    h("span.soft.small", {}, type),
    here && h("span.badge", {}, "this one"),
  );
}

const WAYS = { both: ["↔", "each names the other"], out: ["→", "named here"], in: ["←", "names this one"] };

/**
 * The neighbours of an id, to walk to.
 * @returns {HTMLElement} filled when they come
 */
export function neighbours(id, state, page) {
  const place = h("div", { id: "neighbours", "aria-busy": "true" });
  load(NEIGHBOURS);
  return place;

  async function load(limit) {
    try {
      const answer = await ask("/neighbours", { id, limit }, { signal: page.signal });
      fill(
        place,
        answer.neighbours.length
          ? h(
              "ul.kin",
              {},
              answer.neighbours.map((each) => h("li", {}, neighbourLine(each, state))),
            )
          : h("p.soft", {}, "None."),
        answer.more && moreButton("More neighbours", () => load(Math.min(10_000, limit * 5))),
        h(
          "p.small",
          {},
          h(
            "a",
            { href: href(state, { address: null, filters: { adjacent_to: id }, shown: 0 }) },
            "Find all that name it",
          ),
        ),
      );
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(place, problemPanel(error));
    }
    place.removeAttribute("aria-busy");
  }
}

function neighbourLine(neighbour, state) {
  const [sign, meaning] = WAYS[neighbour.outgoing && neighbour.incoming ? "both" : neighbour.outgoing ? "out" : "in"];
  const way = h("span.way", { role: "img", "aria-label": meaning, title: meaning }, sign);
  const name = foreign(neighbour.id);
  return h(
    "span.kin-line",
    {},
    way,
    neighbour.address
      ? h("a", { href: entityHref(state, neighbour.address) }, name)
      : h("span", {}, name, h("span.soft.small", {}, " · nothing stored under this id")),
  );
}

function moreButton(text, more) {
  const button = h(
    "button",
    {
      type: "button",
      onclick: () => {
        button.remove();
        more();
      },
    },
    text,
  );
  return button;
}
