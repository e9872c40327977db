// Making elements, and saying numbers. Text reaches the page as text nodes only, so nothing that is stored can become
// markup, and styles are set by classes or properties, so that the page needs no inline style.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an HTML element.
 * @param {string} name tag, with classes after dots: "p.soft.small"
 * @param {Object<string, *>} [given] attributes; `on…` are listeners, null, undefined and false are left out
 * @param {...(Node|string|number|null|undefined|false|Array)} children what goes in; texts stay text
 * @returns {HTMLElement}
 */
export function h(name, given = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  return filled(document.createElement(tag), classes, given, children);
}

/** The same for SVG: see `h`. */
export function svg(name, given = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  return filled(document.createElementNS(SVG, tag), classes, given, children);
}

function filled(element, classes, given, children) {
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false) {
      element.append(child instanceof Node ? child : String(child));
    }
  }
}

/** Put these children in place of whatever is in `element`. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** What is there but not seen, or turns round what follows; joiners, which many scripts need, and line ends are not. */
const UNSEEN = /([\p{Cc}\p{Cf}\p{Zl}\p{Zp}])/u;
const HARMLESS = new Set(["\n", "\t", "\u200c", "\u200d"]);

/** Text of somebody else's, kept from turning round what stands beside it; unseen letters in it are shown by number. */
export function foreign(text) {
  // Every second part is a separator.
  const parts = text
    .split(UNSEEN)
    .map((part, at) =>
      at % 2 && !HARMLESS.has(part)
        ? h("span.unseen", { "data-code": part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") }, part)
        : part,
    );
  return h("bdi", { dir: "auto" }, parts);
}

/** Tell those who listen instead of looking. */
export function announce(text) {
  document.getElementById("status").textContent = text;
}

const COUNTS = new Intl.NumberFormat("en");

/** A count with separators: 12,345. */
export function count(number) {
  return COUNTS.format(number);
}

/** A count and what is counted, in its number: "1 file", "2 files". */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** A size in bytes for people: "1.2 MiB". */
export function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let rank = 0;
  let left = bytes;
  for (; left >= 1024 && rank < units.length - 1; rank += 1) left /= 1024;
  return rank ? `${left.toFixed(left < 10 ? 1 : 0)} ${units[rank]}` : counted(bytes, "byte");
}

/** A time as documents hold it, without what is zero: "2026-01-31 12:00". */
export function time(text) {
  return text
    .replace("T", " ")
    .replace(/(:00)?\.000Z$/, "")
    .replace(/ 00:00$/, "");
}

/** An address short enough to stand in a line. */
export function short(address) {
  return `${address.slice(0, 12)}…`;
}
