// The whole view as the part of the address after `#`, so that it can be reloaded, shared, and gone back to.
//
//   #/?realm=data&view=plot&x=density          what is found, and how it is shown
//   #/entity/ADDRESS?realm=data&view=plot      one entity; the rest is where its way back leads

/** Filters, as `GET /entities` calls them. */
export const FILTERS = [
  "realm",
  "lineage",
  "adjacent_to",
  "horizon",
  "resonance",
  "velocity",
  "density",
  "type",
  "created",
  "file",
  "versions",
];

/** Lifecycle stages in their order. */
export const HORIZONS = ["genesis", "emergence", "peak", "decay", "crystallization"];

/** What a plot can have as an axis. */
export const AXES = ["resonance", "velocity", "density", "lineage"];

/** What can be chosen, the first being what is so without a choice. */
const CHOICES = {
  view: ["cards", "table", "plot"],
  x: ["velocity", ...AXES],
  y: ["resonance", ...AXES],
  color: ["realm", "horizon"],
};

const ADDRESS = /^[0-9a-f]{64}$/;
const MOST = 5000;

/**
 * @typedef {Object} State
 * @property {string|null} address the entity that is open, null for what is found
 * @property {Object<string, string>} filters texts in the grammar of the interface, by name
 * @property {string} view cards, table or plot
 * @property {string} x axis of the plot
 * @property {string} y axis of the plot
 * @property {string} color what colours the plot: realm or horizon
 * @property {number} shown how many matches, 0 for as many as the view begins with
 * @property {boolean} scan whether a whole cluster may be read where no index helps
 */

/** Whether a text is an address: 64 lowercase hex digits. */
export function isAddress(text) {
  return ADDRESS.test(text);
}

/**
 * Read a view from `location.hash`. Whatever isn't known is left out.
 * @param {string} hash
 * @returns {State}
 */
export function readState(hash) {
  const [path, query] = split(hash.replace(/^#\/?/, ""), "?");
  const given = new URLSearchParams(query);
  const [kind, address] = path.split("/");
  const state = { address: kind === "entity" && isAddress(address ?? "") ? address : null, filters: {} };
  for (const name of FILTERS) {
    const text = given.get(name);
    if (text) state.filters[name] = text;
  }
  for (const [name, known] of Object.entries(CHOICES)) {
    state[name] = known.includes(given.get(name)) ? given.get(name) : known[0];
  }
  const shown = Number(given.get("shown"));
  state.shown = Number.isInteger(shown) && shown > 0 ? Math.min(shown, MOST) : 0;
  state.scan = given.get("scan") === "true";
  return state;
}

/**
 * The hash of a view, made from another one by some changes.
 * @param {State} state
 * @param {Partial<State>} [changes]
 * @returns {string} begins with "#/"
 */
export function href(state, changes = {}) {
  const made = { ...state, ...changes };
  const query = new URLSearchParams();
  for (const name of FILTERS) {
    if (made.filters[name]) query.set(name, made.filters[name]);
  }
  for (const [name, known] of Object.entries(CHOICES)) {
    if (made[name] !== known[0]) query.set(name, made[name]);
  }
  if (made.shown) query.set("shown", made.shown);
  if (made.scan) query.set("scan", "true");
  // A comma or slash may stand as it is there, and is easier to read.
  const text = query.toString().replace(/%2C/g, ",").replace(/%2F/g, "/");
  return `#/${made.address ? `entity/${made.address}` : ""}${text ? `?${text}` : ""}`;
}

/** The hash of one entity, reached from this view. */
export function entityHref(state, address) {
  return href(state, { address });
}

/** Filters with one of them set otherwise; "" removes it. What they found is looked at from its beginning again. */
export function withFilter(state, name, text) {
  const filters = { ...state.filters, [name]: text };
  if (!text) delete filters[name];
  return { filters, shown: 0 };
}

function split(text, at) {
  const place = text.indexOf(at);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
}
