// A slider with two ends over a list of stops, and a number field for each end. The first and the last stop leave that
// end open. The fields hold what counts; the slider follows, and may be less exact.

import { fill, h } from "./dom.js";

/** Stops for a real coordinate, `low` to `high` in hundredths. */
export function realStops(low, high) {
  return Array.from({ length: Math.round((high - low) * 100) + 1 }, (_, step) => low + step / 100).map(rounded);
}

/** Stops for whole numbers without an end: all small ones, then coarser and coarser ones. */
export function lineageStops() {
  const stops = Array.from({ length: 20 }, (_, number) => number);
  for (let scale = 10; scale <= 100_000; scale *= 10) {
    stops.push(...[2, 3, 5, 7, 10].map((times) => times * scale));
  }
  return [...stops, Infinity];
}

/** The two ends of a range as the interface writes it; "" is an open end. One value alone is both ends. */
export function readRange(text) {
  const at = text.indexOf("..");
  return at < 0 ? [text, text] : [text.slice(0, at), text.slice(at + 2)];
}

/** The text of a range, "" if both ends are open. */
export function writeRange(low, high) {
  if (low === "" && high === "") return "";
  return low === high ? low : `${low}..${high}`;
}

/**
 * @param {{name: string, label: string, stops: number[], hint: string, onChange: function(string): void}} given
 * @returns {{element: HTMLElement, set: function(string): void, mark: function(string): void}} `set` shows the text of
 *   a range, `mark` says what is wrong with it ("" for nothing)
 */
export function rangeFilter({ name, label, stops, hint, onChange }) {
  const last = stops.length - 1;
  const said = h("output", { id: `${name}-said` });
  const fault = h("p.fault.small", { id: `${name}-fault`, hidden: true });
  const numbers = ["from", "to"].map((end, which) =>
    h("input.number", {
      type: "number",
      step: "any",
      min: stops[0],
      max: Number.isFinite(stops[last]) ? stops[last] : null,
      placeholder: "any",
      id: `${name}-${end}`,
      "aria-label": `${label} ${end}`,
      "aria-describedby": `${name}-fault`,
      onchange: () => commit(which),
    }),
  );
  const thumbs = ["at least", "at most"].map((end, which) =>
    h("input.thumb", {
      type: "range",
      min: 0,
      max: last,
      step: 1,
      value: which * last,
      id: `${name}-${which ? "most" : "least"}`,
      "aria-label": `${label} ${end}`,
      oninput: () => slide(which),
      onchange: () => commit(which),
    }),
  );
  const filled = h("div.filled");
  let known = null;

  function slide(which) {
    const [low, high] = thumbs.map((thumb) => Number(thumb.value));
    // An end that is pushed against the other one stops there.
    if (low > high) thumbs[which].value = which ? low : high;
    const at = Number(thumbs[which].value);
    numbers[which].value = at === which * last ? "" : String(stops[at]);
    show();
  }

  function commit(which) {
    known = writeRange(...numbers.map((number) => number.value));
    place(which);
    show();
    onChange(known);
  }

  function place(which) {
    thumbs[which].value = numbers[which].value === "" ? which * last : nearest(stops, Number(numbers[which].value));
  }

  function show() {
    const [low, high] = numbers.map((number) => number.value);
    fill(said, low === "" && high === "" ? "any" : `${low || "any"} to ${high || "any"}`);
    const ends = thumbs.map((thumb) => (100 * Number(thumb.value)) / last);
    filled.style.left = `${ends[0]}%`;
    filled.style.right = `${100 - ends[1]}%`;
    // Where both thumbs are at the far end, the lower one must be the one that can be taken.
    thumbs[0].style.zIndex = ends[0] > 50 ? "2" : "1";
    thumbs.forEach((thumb, which) => {
      thumb.setAttribute("aria-valuetext", numbers[which].value === "" ? "any" : numbers[which].value);
    });
  }

  function set(text) {
    // What is known already must not come back over what is being typed.
    if (text === known) return;
    known = text;
    readRange(text).forEach((end, which) => {
      numbers[which].value = end;
      place(which);
    });
    show();
  }

  function mark(reason) {
    fill(fault, reason);
    fault.hidden = !reason;
    numbers.forEach((number) => number.setAttribute("aria-invalid", String(Boolean(reason))));
  }

  set("");
  const element = h(
    "fieldset.range",
    { "data-filter": name },
    h("legend", {}, h("span", {}, label), said),
    h("div.slider", {}, h("div.track"), filled, ...thumbs),
    h("div.ends", {}, numbers[0], h("span.soft.small", {}, hint), numbers[1]),
    fault,
  );
  return { element, set, mark };
}

function nearest(stops, value) {
  let best = 0;
  stops.forEach((stop, at) => {
    if (Math.abs(stop - value) < Math.abs(stops[best] - value)) best = at;
  });
  return best;
}

function rounded(value) {
  return Number(value.toFixed(2));
}
