// Matches as cards, and as a table.

import { counted, foreign, h, time } from "./dom.js";
import { figure, kindOf } from "./figure.js";
import { shownAs, thumbnail } from "./media.js";
import { entityHref } from "./state.js";

/** Matches as cards: a picture or the drawn coordinates, and what it is. */
export function cards(matches, state) {
  return h(
    "ul.cards",
    {},
    matches.map((match) => h("li.entry", {}, card(match, state))),
  );
}

function card(match, state) {
  if (match.problem) return damagedCard(match, state);
  const { coordinates, entity_type: type, files } = match.document;
  const face = h("div.face", {}, figure(coordinates));
  const picture = thumbnail(files);
  if (picture) face.append(picture);
  const told = attached(files);
  if (told) face.append(h("span.badge.attached", {}, told));
  return h(
    "a.card",
    { href: entityHref(state, match.address), "data-address": match.address },
    face,
    h("span.id", {}, foreign(match.id)),
    h(
      "span.row.small.facts-line",
      {},
      realm(coordinates.realm),
      h("span.soft", {}, type),
      h("span.soft", {}, coordinates.horizon),
    ),
  );
}

/** A card for what can't be shown, since its bytes are others than were stored. */
function damagedCard(match, state) {
  return h(
    "a.card.damaged",
    { href: entityHref(state, match.address), "data-address": match.address },
    h("div.face", {}, h("span.cross", { "aria-hidden": "true" }, "×")),
    h("span.id", {}, foreign(match.id)),
    h("span.row.small.facts-line", {}, damage()),
  );
}

/** The words for it, where an entity should be. */
export function damage() {
  return h("span.damage", {}, "The stored bytes are damaged");
}

/** What a picture on a card doesn't show by itself. */
function attached(files) {
  if (files.length !== 1) return files.length ? counted(files.length, "file") : "";
  return { image: "", video: "▶ movie", audio: "♪ sound" }[shownAs(files[0])] ?? "1 file";
}

/** A realm's name with its colour. */
export function realm(name) {
  return h("span.realm", {}, h(`span.swatch.b${kindOf(name).color}`, { "aria-hidden": "true" }), name);
}

const COLUMNS = [
  "Id",
  "Type",
  "Realm",
  "Lineage",
  "Neighbours",
  "Horizon",
  "Resonance",
  "Velocity",
  "Density",
  "Created",
  "Files",
];
const NUMBERS = new Set(["Lineage", "Neighbours", "Resonance", "Velocity", "Density", "Files"]);

/** Matches as a table with a column for each coordinate. */
export function table(matches, state) {
  const head = h(
    "tr",
    {},
    COLUMNS.map((name) => h("th", { scope: "col", class: NUMBERS.has(name) ? "number" : null }, name)),
  );
  return h(
    "div.panel.scroll.table",
    { tabindex: "0", role: "region", "aria-label": "Matches as a table" },
    h(
      "table",
      {},
      h("thead", {}, head),
      h(
        "tbody",
        {},
        matches.map((match) => row(match, state)),
      ),
    ),
  );
}

function row(match, state) {
  if (match.problem) {
    const rest = h("td", { colspan: COLUMNS.length - 1 }, damage());
    return h("tr.entry.damaged", {}, idCell(match, state), rest);
  }
  const { coordinates: at, entity_type: type, created_at: created, files } = match.document;
  const number = (value) => h("td.number", {}, String(value));
  return h(
    "tr.entry",
    {},
    idCell(match, state),
    h("td", {}, type),
    h("td", {}, realm(at.realm)),
    number(at.lineage),
    number(at.adjacency.length),
    h("td", {}, at.horizon),
    number(at.resonance),
    number(at.velocity),
    number(at.density),
    h("td.when", {}, created ? time(created) : "–"),
    number(files.length),
  );
}

function idCell(match, state) {
  const link = h("a", { href: entityHref(state, match.address), "data-address": match.address }, foreign(match.id));
  return h("th", { scope: "row" }, link);
}
