// Attached files: pictures, movies and sound in place, all others to be saved. Where reading takes a key the browser
// can't fetch them by itself, so the page does, and shows them from memory.

import { blob, readingIsOpen, withQuery } from "./api.js";
import { announce, fill, foreign, h, size } from "./dom.js";
import { problemPanel } from "./message.js";
import { href } from "./state.js";
import { verifier } from "./verify.js";

/** What the gateway sends under its own type, since nothing in it is active. */
const SHOWN = /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp|x-icon)|audio\/[a-z0-9.+-]{1,40}|video\/[a-z0-9.+-]{1,40})$/;
/** Letters that a file's name may have on its way through the gateway. */
const NAME = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u;
const THUMBNAIL_BYTES = 8 * 1024 * 1024;
/** Beyond this, a file that has to go through memory is fetched only when it is asked for. */
const UNASKED_BYTES = 32 * 1024 * 1024;

/** What a file can be shown as: "image", "audio", "video", or "" for not at all. */
export function shownAs(file) {
  const type = file.media_type.toLowerCase();
  return SHOWN.test(type) ? type.slice(0, type.indexOf("/")) : "";
}

/** Where a file is, with its type and name if the gateway can send them along. */
export function fileUrl(file) {
  const query = {};
  if (shownAs(file)) query.type = file.media_type.toLowerCase();
  if (NAME.test(file.name) && file.name.length <= 255) query.name = file.name;
  return withQuery(`/files/${file.sha256}`, query);
}

/** The first small picture or movie of some files, as decoration, fetched when it is scrolled to; null for none. */
export function thumbnail(files) {
  const file = files.find((each) => each.size <= THUMBNAIL_BYTES && ["image", "video"].includes(shownAs(each)));
  if (!file) return null;
  const element =
    shownAs(file) === "image"
      ? h("img", { alt: "", decoding: "async" })
      : h("video", { preload: "metadata", tabindex: "-1", "aria-hidden": "true" });
  element.muted = true;
  element.addEventListener("error", () => element.remove());
  seen(element)
    .then(() => supply(element, file))
    .catch(() => element.remove());
  return element;
}

/** Give an element its source: by address where reading is open, from memory where it takes a key. */
async function supply(element, file) {
  if (await readingIsOpen()) {
    element.src = fileUrl(file);
    return;
  }
  const held = URL.createObjectURL(await blob(fileUrl(file)));
  element.src = held;
  const done = element instanceof HTMLMediaElement ? "emptied" : "load";
  element.addEventListener(done, () => URL.revokeObjectURL(held), { once: true });
}

/** Wait until an element is scrolled to, or nearly. */
function seen(element) {
  return new Promise((resolve) => {
    const watcher = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        watcher.disconnect();
        resolve();
      },
      { rootMargin: "200px" },
    );
    watcher.observe(element);
  });
}

/**
 * The files of a document, shown.
 * @param {{name: string, media_type: string, size: number, sha256: string}[]} files
 * @param {import("./state.js").State} state
 */
export function gallery(files, state) {
  return h(
    "ul.gallery",
    {},
    files.map((file) => h("li", {}, exhibit(file, state))),
  );
}

function exhibit(file, state) {
  const stage = h("div.exhibit", { "data-file": file.sha256 });
  const save = h("button", { type: "button", onclick: () => download(file) }, "Save");
  const others = h(
    "a.button",
    { href: href(state, { address: null, filters: { file: file.sha256 }, shown: 0 }) },
    "Where else?",
  );
  show(stage, file);
  return h(
    "figure.file",
    {},
    stage,
    h(
      "figcaption",
      {},
      h("strong", {}, foreign(file.name)),
      h("span.soft.small", {}, `${file.media_type} · ${size(file.size)}`),
      h("code.small", {}, file.sha256),
      verifier({
        name: file.name,
        path: `/files/${file.sha256}`,
        expected: file.sha256,
        size: file.size,
        beside: [save, others],
      }),
    ),
  );
}

async function show(stage, file, asked = false) {
  const kind = shownAs(file);
  if (!kind) {
    fill(stage, h("p.soft.none", {}, `${file.media_type} is not shown here; it can be saved`));
    return;
  }
  if (file.size > UNASKED_BYTES && !asked && !(await readingIsOpen())) {
    fill(
      stage,
      h("button", { type: "button", onclick: () => show(stage, file, true) }, `Fetch ${size(file.size)} and show it`),
    );
    return;
  }
  const given = { onerror: () => unshown(stage, file) };
  const element =
    kind === "image"
      ? h("img", { ...given, alt: file.name, loading: "lazy", decoding: "async" })
      : h(kind, { ...given, controls: true, preload: "metadata", "aria-label": file.name });
  fill(stage, element);
  try {
    await supply(element, file);
  } catch (error) {
    fill(stage, problemPanel(error));
  }
}

/** Tell whether it's the browser or the file: damage and withdrawal have words of their own. */
async function unshown(stage, file) {
  try {
    await blob(withQuery(`/files/${file.sha256}`, {}), { fresh: true });
    fill(stage, h("p.soft.none", {}, `This browser can't show it as ${file.media_type}`));
  } catch (error) {
    fill(stage, problemPanel(error));
  }
}

async function download(file) {
  const link = h("a", { download: file.name, href: fileUrl(file) });
  try {
    if (!(await readingIsOpen())) link.href = URL.createObjectURL(await blob(fileUrl(file)));
    link.click();
  } catch (error) {
    announce(`${file.name} can't be saved: ${error.message}`);
  } finally {
    if (link.href.startsWith("blob:")) setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
