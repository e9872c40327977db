// The seven coordinates as a heptagon: a spoke for each dimension, and a shape in the realm's colour.
//
//   realm        its place among the seven of agreed meaning; other realms lie on the rim
//   lineage      on a logarithmic scale, a thousand generations on the rim
//   adjacency    the number of neighbours, logarithmic, 1,024 on the rim
//   horizon      five steps
//   resonance, velocity, density     from their least to their greatest value

import { svg } from "./dom.js";
import { HORIZONS } from "./state.js";

const REALMS = ["data", "narrative", "system", "faculty", "event", "pattern", "void"];
const NAMES = ["realm", "lineage", "adjacency", "horizon", "resonance", "velocity", "density"];
const COLORS = 8;

/** The colour (0 to 7) and shape (0 to 7) of a realm or horizon; the same everywhere. */
export function kindOf(name) {
  const place = REALMS.includes(name) ? REALMS.indexOf(name) : HORIZONS.indexOf(name);
  if (place >= 0) return { color: place, shape: place };
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 65_521;
  return { color: sum % COLORS, shape: Math.floor(sum / COLORS) % COLORS };
}

/** How far out on its spoke each coordinate lies, 0 to 1, in the order of the document's specification. */
export function reach(coordinates) {
  const place = REALMS.indexOf(coordinates.realm);
  return [
    place < 0 ? 1 : (place + 1) / (REALMS.length + 1),
    Math.min(1, Math.log1p(coordinates.lineage) / Math.log1p(1000)),
    Math.min(1, Math.log1p(coordinates.adjacency.length) / Math.log1p(1024)),
    (HORIZONS.indexOf(coordinates.horizon) + 1) / HORIZONS.length,
    (coordinates.resonance + 1) / 2,
    (coordinates.velocity + 1) / 2,
    coordinates.density,
  ];
}

/**
 * Draw an entity's coordinates.
 * @param {Object} coordinates as in a document
 * @param {boolean} [labelled] with the names of the dimensions, for a large drawing
 * @returns {SVGElement}
 */
export function figure(coordinates, labelled = false) {
  const reached = reach(coordinates).map((part) => 0.1 + 0.9 * part);
  const color = kindOf(coordinates.realm).color;
  const parts = [0.4, 0.7, 1].map((part) => svg("path.ring", { d: closed(NAMES.map(() => part)) }));
  parts.push(...NAMES.map((_, at) => svg("path.spoke", { d: `M0 0L${point(at, 1)}` })));
  parts.push(svg(`path.shape.k${color}`, { d: closed(reached) }));
  if (labelled) {
    reached.forEach((part, at) => {
      const [x, y] = place(at, part);
      parts.push(svg(`circle.dot.k${color}`, { cx: x, cy: y, r: 3.2 }));
    });
    parts.push(...NAMES.map(label));
  }
  const box = labelled ? "-185 -132 370 262" : "-106 -106 212 212";
  const said = labelled
    ? { role: "img", "aria-label": "The coordinates as a heptagon; the list below has the values" }
    : { "aria-hidden": "true" };
  return svg("svg.figure", { viewBox: box, ...said }, parts);
}

function label(name, at) {
  const [x, y] = place(at, 1.13);
  const anchor = Math.abs(x) < 8 ? "middle" : x > 0 ? "start" : "end";
  return svg("text", { x, y: y + 4, "text-anchor": anchor }, name);
}

function place(at, part) {
  const angle = (2 * Math.PI * at) / NAMES.length - Math.PI / 2;
  return [round(100 * part * Math.cos(angle)), round(100 * part * Math.sin(angle))];
}

function point(at, part) {
  return place(at, part).join(" ");
}

function closed(parts) {
  return `M${parts.map((part, at) => point(at, part)).join("L")}Z`;
}

function round(value) {
  return Math.round(value * 100) / 100;
}
