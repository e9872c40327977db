// A scatter plot of the matches. Its points are links; the whole plot is one stop of the Tab key, and arrow keys walk
// from point to point.

import { count, counted, fill, foreign, h, svg } from "./dom.js";
import { kindOf } from "./figure.js";
import { outline } from "./marks.js";
import { AXES, entityHref, href, HORIZONS } from "./state.js";

const MARGIN = { left: 52, right: 14, top: 14, bottom: 44 };
const LIMITS = { resonance: [-1, 1], velocity: [-1, 1], density: [0, 1], lineage: [0, Infinity] };

/** Keys: in which order they walk, and how many steps; a fraction is a part of all points. */
const STEPS = {
  ArrowLeft: ["across", -1],
  ArrowRight: ["across", 1],
  ArrowUp: ["down", -1],
  ArrowDown: ["down", 1],
  PageUp: ["down", -0.1],
  PageDown: ["down", 0.1],
  Home: ["across", -Infinity],
  End: ["across", Infinity],
};

/**
 * @param {{address: string, id: string, document?: Object}[]} matches those without a document have no place in it
 * @param {import("./state.js").State} state
 * @param {{signal: AbortSignal, go: function(string): void}} page
 * @returns {HTMLElement}
 */
export function plot(matches, state, page) {
  const caption = h(
    "p.caption",
    { id: "point" },
    "Point at a mark, or walk by the arrow keys, to see what it is; a click or Enter opens it.",
  );
  const stage = h("div.stage");
  const points = matches.filter((match) => match.document).map((match) => pointOf(match, state));
  const missing = matches.length - points.length;
  const hurt = counted(missing, "entity is", "entities are");
  const redraw = () => {
    const width = Math.floor(stage.clientWidth);
    if (width > 0 && points.length && stage.dataset.width !== String(width)) {
      stage.dataset.width = String(width);
      fill(stage, drawn(points, state, width, caption));
    }
  };
  const watcher = new ResizeObserver(redraw);
  watcher.observe(stage);
  page.signal.addEventListener("abort", () => watcher.disconnect());
  return h(
    "section.panel.plot",
    { "aria-label": "Plot", onattached: redraw },
    controls(state, page),
    stage,
    caption,
    missing > 0 && h("p.damage", {}, `${hurt} damaged and not shown here; the table tells which.`),
    legend(points, state),
  );
}

function pointOf(match, state) {
  const at = match.document.coordinates;
  const kind = at[state.color];
  return { match, kind, x: at[state.x], y: at[state.y], link: entityHref(state, match.address) };
}

function controls(state, page) {
  const select = (name, label, choices) =>
    h(
      "label.choice",
      {},
      label,
      h(
        "select",
        {
          id: `plot-${name}`,
          onchange: (event) => page.go(href(state, { [name]: event.target.value })),
        },
        choices.map((choice) => h("option", { value: choice, selected: choice === state[name] }, choice)),
      ),
    );
  return h(
    "div.row.plot-controls",
    {},
    select("x", "Across", AXES),
    select("y", "Up", AXES),
    select("color", "Colour", ["realm", "horizon"]),
  );
}

function drawn(points, state, width, caption) {
  const height = Math.round(Math.min(620, Math.max(300, width * 0.62)));
  const x = scale(
    points.map((point) => point.x),
    LIMITS[state.x],
    MARGIN.left,
    width - MARGIN.right,
  );
  const y = scale(
    points.map((point) => point.y),
    LIMITS[state.y],
    height - MARGIN.bottom,
    MARGIN.top,
  );
  for (const point of points) [point.px, point.py] = [x.at(point.x), y.at(point.y)];
  const marks = points.map((point) => mark(point, state));
  // Where one looks is ringed above all marks, as it may lie under others.
  const spot = svg("circle.spot", { r: 0 });
  const group = svg("g", {}, marks, spot);
  walkable(group, points, marks, (at) => {
    const { match, x: across, y: up, kind, px, py } = points[at];
    spot.setAttribute("r", 8);
    spot.setAttribute("cx", px);
    spot.setAttribute("cy", py);
    fill(caption, h("strong", {}, foreign(match.id)), ` ${state.x} ${across}, ${state.y} ${up}, ${kind}`);
  });
  return svg(
    "svg",
    {
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "group",
      "aria-label": `${count(points.length)} entities, ${state.x} across, ${state.y} up, coloured by ${state.color}`,
    },
    grid(x, y, state, width, height),
    group,
  );
}

function mark(point, state) {
  const { color, shape } = kindOf(point.kind);
  return svg(
    `a.mark.k${color}`,
    {
      href: point.link,
      tabindex: "-1",
      "data-address": point.match.address,
      transform: `translate(${point.px} ${point.py})`,
      "aria-label": `${point.match.id}: ${state.x} ${point.x}, ${state.y} ${point.y}, ${point.kind}`,
    },
    svg("path", { d: outline(shape) }),
  );
}

/** A linear scale whose range fits the values, with round steps. */
function scale(values, [least, most], from, to) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const room = (high - low) * 0.04 || Math.max(0.05, Math.abs(high) * 0.1);
  [low, high] = [Math.max(least, low - room), Math.min(most, high + room)];
  const step = roundStep((high - low) / Math.max(4, Math.abs(to - from) / 90));
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9); tick * step <= high + step * 1e-9; tick += 1) ticks.push(tick * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  // A hair away from the rim, so that marks there are whole.
  const [start, end] = [from + Math.sign(to - from) * 7, to - Math.sign(to - from) * 7];
  const at = (value) => Math.round((start + ((value - low) / (high - low)) * (end - start)) * 10) / 10;
  return { at, ticks, text: (tick) => tick.toFixed(Math.min(digits, 8)).replace(/^-(0\.?0*)$/, "$1") };
}

function roundStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= raw * 0.999);
}

function grid(x, y, state, width, height) {
  const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
  const across = x.ticks.map((tick) => [
    svg("line", { x1: x.at(tick), x2: x.at(tick), y1: MARGIN.top, y2: bottom }),
    svg("text", { x: x.at(tick), y: bottom + 18, "text-anchor": "middle" }, x.text(tick)),
  ]);
  const up = y.ticks.map((tick) => [
    svg("line", { x1: MARGIN.left, x2: right, y1: y.at(tick), y2: y.at(tick) }),
    svg("text", { x: MARGIN.left - 8, y: y.at(tick) + 4, "text-anchor": "end" }, y.text(tick)),
  ]);
  return svg(
    "g.grid",
    { "aria-hidden": "true" },
    across,
    up,
    svg("text.axis", { x: (MARGIN.left + right) / 2, y: height - 6, "text-anchor": "middle" }, state.x),
    svg(
      "text.axis",
      { transform: `translate(13 ${(MARGIN.top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" },
      state.y,
    ),
  );
}

/**
 * One point takes part in the order of Tab. Left and right hand that on to the next one across, up and down to the next
 * one up or down, so that every point is reached; Home, End, and the keys for pages make it shorter.
 */
function walkable(group, points, marks, tell) {
  let current = 0;
  marks[0]?.setAttribute("tabindex", "0");
  const across = ordered(points, (point) => [point.px, point.py]);
  const down = ordered(points, (point) => [point.py, point.px]);
  const indexOf = (target) => marks.indexOf(target.closest?.(".mark"));
  group.addEventListener("focusin", (event) => {
    const at = indexOf(event.target);
    if (at < 0) return;
    marks[current].setAttribute("tabindex", "-1");
    marks[at].setAttribute("tabindex", "0");
    current = at;
    tell(at);
  });
  group.addEventListener("pointerover", (event) => {
    const at = indexOf(event.target);
    if (at >= 0) tell(at);
  });
  group.addEventListener("keydown", (event) => {
    const steps = STEPS[event.key];
    if (!steps || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const order = steps[0] === "across" ? across : down;
    const far = Math.abs(steps[1]) < 1 ? Math.sign(steps[1]) * Math.ceil(points.length * 0.1) : steps[1];
    marks[order[Math.min(points.length - 1, Math.max(0, order.indexOf(current) + far))]].focus();
  });
}

function ordered(points, place) {
  const places = points.map(place);
  return [...points.keys()].sort(
    (one, other) => places[one][0] - places[other][0] || places[one][1] - places[other][1] || one - other,
  );
}

function legend(points, state) {
  const numbers = new Map();
  for (const point of points) numbers.set(point.kind, (numbers.get(point.kind) ?? 0) + 1);
  const order =
    state.color === "horizon"
      ? HORIZONS.filter((name) => numbers.has(name))
      : [...numbers.keys()].sort((one, other) => numbers.get(other) - numbers.get(one));
  return h(
    "ul.row.legend",
    { "aria-label": `Colours: ${state.color}` },
    order.map((name) => {
      const { color, shape } = kindOf(name);
      const sign = svg(
        `svg.k${color}`,
        { viewBox: "-6 -6 12 12", width: 14, height: 14, "aria-hidden": "true" },
        svg("path", { d: outline(shape) }),
      );
      return h("li.row", {}, sign, name, h("span.soft", {}, count(numbers.get(name))));
    }),
  );
}
