// The page of one entity: what it is, where it lies, what belongs to it, and whether its bytes are what they should be.

import { ask, bytes } from "./api.js";
import { announce, count, fill, foreign, h, time } from "./dom.js";
import { figure } from "./figure.js";
import { history, neighbours } from "./kin.js";
import { realm } from "./listing.js";
import { gallery } from "./media.js";
import { noticeFacts, problemPanel } from "./message.js";
import { entityHref, href } from "./state.js";
import { tree } from "./tree.js";
import { verifier } from "./verify.js";

/**
 * Show the entity of `state.address`.
 * @param {HTMLElement} main
 * @param {import("./state.js").State} state
 * @param {{signal: AbortSignal, askKey: function(): void, again: function(): void}} page
 * @returns {Promise<void>} when it is shown; history and neighbours may still be coming
 */
export async function showEntity(main, state, page) {
  const path = `/entities/${state.address}`;
  fill(main, back(state), h("h1.soft", { tabindex: "-1" }, "Fetching…"));
  let data;
  let document_;
  try {
    data = await bytes(path, { signal: page.signal });
    document_ = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch (error) {
    if (error.name === "AbortError") return;
    fill(main, back(state), h("h1", { tabindex: "-1" }, "Entity"), failure(error, state, path, page));
    return;
  }
  try {
    draw(main, state, page, document_, data);
  } catch {
    // Whoever altered it on its way may have made it another thing altogether.
    fill(
      main,
      back(state),
      h("h1", { tabindex: "-1" }, "Entity"),
      problemPanel({ document: { title: "This is no entity", detail: "what came can't be read as one" } }),
      h("section.panel", {}, verifier({ name: "the bytes", path, expected: state.address, shown: data })),
    );
  }
}

function failure(error, state, path, page) {
  const known =
    error.status !== undefined ? error : { document: { title: "This is no entity", detail: "what came is not JSON" } };
  const panel = problemPanel(known, { retry: page.again, askKey: page.askKey });
  if ([401, 403, 404, 410].includes(error.status)) return panel;
  return h(
    "div.stack",
    {},
    panel,
    h("section.panel", {}, verifier({ name: "the bytes", path, expected: state.address })),
  );
}

function draw(main, state, page, document_, data) {
  const { coordinates, files, state: facts } = document_;
  const current = h("span");
  const parts = [
    back(state),
    h(
      "header.panel.title",
      {},
      h("h1", { tabindex: "-1" }, foreign(document_.id)),
      h(
        "p.row",
        {},
        realm(coordinates.realm),
        h("span.badge", {}, document_.entity_type),
        current,
        document_.created_at && h("span.soft.small", {}, time(document_.created_at)),
      ),
      h("p.address", {}, h("span.soft.small", {}, "address "), h("code", {}, state.address)),
      verifier({
        name: "this entity",
        path: `/entities/${state.address}`,
        expected: state.address,
        shown: data,
        beside: [h("span.soft.small", {}, "fetches the bytes and hashes them here, in your browser")],
      }),
    ),
    h(
      "div.columns",
      {},
      h(
        "div.stack",
        {},
        files.length > 0 && section("Files", gallery(files, state)),
        section("State", Object.keys(facts).length ? tree(facts) : h("p.soft", {}, "Empty.")),
        section("Versions", history(document_.id, state, page)),
      ),
      h(
        "div.stack",
        {},
        section("Coordinates", h("div.drawing", {}, figure(coordinates, true)), values(coordinates)),
        section("Neighbours", neighbours(document_.id, state, page)),
      ),
    ),
  ];
  fill(main, parts);
  document.title = `${document_.id} · stat7`;
  announce(`Entity ${document_.id}`);
  tellCurrent(current, document_.id, state, page.signal);
}

function section(title, ...children) {
  return h("section.panel", { "aria-label": title }, h("h2", {}, title), children);
}

function back(state) {
  const filtered = Object.keys(state.filters).length;
  return h(
    "p.back",
    {},
    h(
      "a",
      { href: href(state, { address: null }) },
      h("span", { "aria-hidden": "true" }, "← "),
      filtered ? "What the filters found" : "All entities",
    ),
  );
}

function values(at) {
  const pairs = [
    ["realm", at.realm],
    ["lineage", count(at.lineage)],
    ["adjacency", `${count(at.adjacency.length)} named here`],
    ["horizon", at.horizon],
    ["resonance", at.resonance],
    ["velocity", at.velocity],
    ["density", at.density],
  ];
  return h(
    "dl.facts.values",
    {},
    pairs.map(([name, value]) => [h("dt", {}, name), h("dd", { "data-coordinate": name }, String(value))]),
  );
}

async function tellCurrent(place, id, state, signal) {
  try {
    const { address } = await ask("/head", { id }, { signal });
    fill(
      place,
      address === state.address
        ? h("span.badge.current", {}, "current version")
        : h("a.badge", { href: entityHref(state, address) }, "an older version: go to the current one"),
    );
  } catch (error) {
    if (error.status === 404) fill(place, h("span.badge", {}, "not a current version"));
    if (error.status === 410)
      fill(
        place,
        h("details", {}, h("summary", {}, "the current version was withdrawn"), noticeFacts(error.document.notice)),
      );
  }
}
