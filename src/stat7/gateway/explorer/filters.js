// The panel of filters: all seven coordinates, type, time and versions. It is made once and shows whatever the view's
// address says, so that focus stays where it is while results come and go.

import { ask } from "./api.js";
import { count, fill, h } from "./dom.js";
import { lineageStops, rangeFilter, readRange, realStops } from "./slider.js";
import { HORIZONS } from "./state.js";

const RANGES = [
  { name: "lineage", label: "Lineage", stops: lineageStops(), hint: "generations from the root" },
  { name: "resonance", label: "Resonance", stops: realStops(-1, 1), hint: "-1 to 1" },
  { name: "velocity", label: "Velocity", stops: realStops(-1, 1), hint: "-1 to 1" },
  { name: "density", label: "Density", stops: realStops(0, 1), hint: "0 to 1" },
];

const TEXTS = [
  { name: "adjacent_to", label: "Neighbour of", hint: "an id" },
  { name: "type", label: "Type", hint: "a type, or several: a,b" },
  { name: "created", label: "Created", hint: "2026-01-01..2026-06-30" },
];

const REALM = /^[a-z][a-z0-9_-]{0,31}$/;

/**
 * @param {HTMLElement} aside where the panel goes
 * @param {function(string, string): void} onChange told the filter's name and its new text, "" for none
 * @returns {{show: function(import("./state.js").State): void, counts: function(Object): void,
 *   fault: function(string, string): void, types: function(Iterable<string>): void}}
 */
export function filterPanel(aside, onChange) {
  const realms = chips("realm", "Realm", onChange);
  const horizons = chips("horizon", "Horizon", onChange);
  const ranges = RANGES.map((range) => rangeFilter({ ...range, onChange: (text) => onChange(range.name, text) }));
  realms.element.append(otherRealm(realms.add));
  const texts = TEXTS.map((text) => textFilter(text, onChange));
  const versions = versionsFilter(onChange);
  const known = h("datalist", { id: "known-types" });
  texts[1].input.setAttribute("list", "known-types");
  const form = h(
    "form.filter-form",
    { id: "filter-form", onsubmit: (event) => event.preventDefault() },
    realms.element,
    ranges[0].element,
    texts[0].element,
    horizons.element,
    ...ranges.slice(1).map((range) => range.element),
    texts[1].element,
    texts[2].element,
    versions.element,
    known,
  );
  const toggle = h(
    "button.toggle",
    {
      type: "button",
      "aria-expanded": "false",
      "aria-controls": "filter-form",
      onclick: () => toggle.setAttribute("aria-expanded", String(aside.classList.toggle("open"))),
    },
    "Filters",
  );
  fill(aside, h("h2.hidden", {}, "Filters"), toggle, form);
  const byName = new Map([
    ["realm", realms],
    ["horizon", horizons],
    ["versions", versions],
    ...RANGES.map((range, at) => [range.name, ranges[at]]),
    ...TEXTS.map((text, at) => [text.name, texts[at]]),
  ]);
  return {
    show(state) {
      for (const [name, filter] of byName) filter.set(state.filters[name] ?? "");
      const number = Object.keys(state.filters).length;
      fill(toggle, number ? `Filters (${number})` : "Filters");
    },
    counts(stats) {
      realms.offer(Object.entries(stats.realms));
      horizons.offer(HORIZONS.map((name) => [name, stats.horizons[name] ?? 0]));
    },
    fault(field, reason) {
      for (const [name, filter] of byName) filter.mark?.(apiName(name) === field || name === field ? reason : "");
    },
    types(found) {
      const there = new Set([...known.children].map((option) => option.value));
      for (const type of found) if (!there.has(type)) known.append(h("option", { value: type }));
    },
  };
}

/** Counts for the chips; null where they can't be had. */
export function counts() {
  return ask("/stats").catch(() => null);
}

function apiName(name) {
  return name === "type" ? "entity_type" : name;
}

/** Several of some names, each a button that is pressed or not. */
function chips(name, label, onChange) {
  const list = h("div.chips");
  const element = h("fieldset", { "data-filter": name }, h("legend", {}, label), list);
  let offered = name === "horizon" ? HORIZONS.map((each) => [each, null]) : [];
  let chosen = [];

  function commit(next) {
    chosen = next;
    draw();
    onChange(name, [...chosen].sort().join(","));
  }

  function chip(value, number) {
    const pressed = chosen.includes(value);
    return h(
      "button.chip",
      {
        type: "button",
        "aria-pressed": String(pressed),
        "data-value": value,
        onclick: () => commit(pressed ? chosen.filter((each) => each !== value) : [...chosen, value]),
      },
      value,
      number ? h("span.number", {}, count(number)) : null,
    );
  }

  function draw() {
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.value : null;
    const others = chosen.filter((value) => !offered.some(([each]) => each === value)).map((value) => [value, null]);
    fill(
      list,
      [...offered, ...others].map(([value, number]) => chip(value, number)),
    );
    if (focused) [...list.children].find((each) => each.dataset.value === focused)?.focus();
  }

  draw();
  return {
    element,
    set(text) {
      const next = name === "horizon" ? horizonSet(text) : text.split(",").filter(Boolean);
      if (next.join() === chosen.join()) return;
      chosen = next;
      draw();
    },
    offer(pairs) {
      offered = pairs;
      draw();
    },
    add: (value) => commit([...new Set([...chosen, value])]),
  };
}

/** The names that a text chooses, which may be a range in the order of life: `peak..`. */
function horizonSet(text) {
  if (!text.includes("..")) return text.split(",").filter(Boolean);
  const [low, high] = readRange(text).map((end) => HORIZONS.indexOf(end));
  return HORIZONS.filter((_, rank) => rank >= low && (high < 0 || rank <= high));
}

/** For realms too rare to be among those that were counted. */
function otherRealm(add) {
  const input = h("input", {
    id: "other-realm",
    type: "text",
    placeholder: "another realm",
    "aria-label": "Another realm",
    autocomplete: "off",
    spellcheck: "false",
    onchange: () => {
      const value = input.value.trim();
      const known = REALM.test(value);
      input.setAttribute("aria-invalid", String(value !== "" && !known));
      if (!known) return;
      input.value = "";
      add(value);
    },
  });
  return input;
}

function textFilter({ name, label, hint }, onChange) {
  const fault = h("p.fault.small", { id: `${name}-fault`, hidden: true });
  let known = "";
  const input = h("input", {
    id: `${name}-text`,
    type: "text",
    placeholder: hint,
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
    "aria-describedby": `${name}-fault`,
    onchange: () => {
      known = input.value.trim();
      onChange(name, known);
    },
  });
  const element = h("div.field", { "data-filter": name }, h("label", { for: input.id }, label), input, fault);
  return {
    element,
    input,
    set(text) {
      // What is known already must not come back over what is being typed.
      if (text !== known) input.value = known = text;
    },
    mark(reason) {
      fill(fault, reason);
      fault.hidden = !reason;
      input.setAttribute("aria-invalid", String(Boolean(reason)));
    },
  };
}

function versionsFilter(onChange) {
  const choices = [
    ["", "current ones"],
    ["all", "all"],
  ].map(([value, label]) => {
    const input = h("input", {
      type: "radio",
      name: "versions",
      id: `versions-${value || "current"}`,
      value,
      onchange: () => onChange("versions", value),
    });
    return { value, input, label: h("label.choice", {}, input, label) };
  });
  return {
    element: h(
      "fieldset",
      { "data-filter": "versions" },
      h("legend", {}, "Versions"),
      h(
        "div.chips",
        {},
        choices.map((choice) => choice.label),
      ),
    ),
    set(text) {
      for (const choice of choices) choice.input.checked = choice.value === (text === "current" ? "" : text);
    },
  };
}
