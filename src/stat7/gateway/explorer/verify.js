// Verify: the page fetches the bytes anew, hashes them itself, and compares with the name they were asked by.

import { bytes, key } from "./api.js";
import { announce, count, fill, foreign, h, size } from "./dom.js";
import { corrupt } from "./message.js";

/** Hashing takes the bytes as one piece of memory. */
const MOST = 512 * 1024 * 1024;

/**
 * @typedef {Object} Verdict
 * @property {"good"|"bad"|"unknown"} verdict
 * @property {string} said
 * @property {string} [found] the digest of what came
 * @property {string} [detail]
 */

/** The SHA-256 of bytes in hex. */
export async function sha256(data) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Fetch and hash.
 * @param {string} path
 * @param {string} expected 64 hex digits
 * @param {Uint8Array|null} [shown] bytes that the page shows, which must be the same
 * @returns {Promise<Verdict>}
 */
export async function check(path, expected, shown = null) {
  if (!globalThis.crypto?.subtle) {
    return {
      verdict: "unknown",
      said: "This page can't hash here",
      detail: "browsers hash only on pages that came by https or from localhost; the command below does it anywhere",
    };
  }
  let data;
  try {
    data = await bytes(path, { fresh: true });
  } catch (error) {
    if (corrupt(error)) {
      return {
        verdict: "bad",
        said: "Damaged: the gateway itself refuses to hand these bytes out",
        detail: error.message,
      };
    }
    return { verdict: "unknown", said: "Not verified: the bytes didn't come", detail: error.message };
  }
  const found = await sha256(data);
  if (found !== expected) {
    return { verdict: "bad", said: `The ${count(data.length)} bytes that came hash to something else`, found };
  }
  if (shown && (await sha256(shown)) !== expected) {
    return { verdict: "bad", said: "What this page shows is not what came now", found: await sha256(shown) };
  }
  return { verdict: "good", said: `Verified: the SHA-256 of the ${count(data.length)} bytes is the address`, found };
}

/**
 * A button that verifies, and the place where it says what came of it.
 * @param {{name: string, path: string, expected: string, size?: number, shown?: Uint8Array, beside?: Node[]}} given
 */
export function verifier({ name, path, expected, size: length = 0, shown = null, beside = [] }) {
  const outcome = h("div.outcome", { hidden: true });
  const title = () => ["Verify", h("span.hidden", {}, ` ${name}`)];
  const button = h(
    "button.main.verify",
    {
      type: "button",
      onclick: async () => {
        button.disabled = true;
        fill(button, "Hashing…");
        const told =
          length > MOST
            ? {
                verdict: "unknown",
                said: `${size(length)} are more than a page can hash at once`,
                detail: "the command below does it",
              }
            : await check(path, expected, shown);
        show(outcome, told, path, expected);
        announce(told.said);
        button.disabled = false;
        fill(button, title());
        button.focus({ preventScroll: true });
      },
    },
    title(),
  );
  return h("div.verifier", {}, h("div.row", {}, button, beside), outcome);
}

const SIGNS = { good: "✓", bad: "✗", unknown: "?" };

function show(outcome, told, path, expected) {
  outcome.dataset.verdict = told.verdict;
  outcome.hidden = false;
  fill(
    outcome,
    h("p.said", {}, h("span.sign", { "aria-hidden": "true" }, SIGNS[told.verdict]), told.said),
    told.detail && h("p.small", {}, foreign(told.detail)),
    h(
      "dl.digests",
      {},
      h("dt", {}, "asked for"),
      h("dd.mono", { "data-digest": "expected" }, expected),
      told.found && [h("dt", {}, "hashed to"), h("dd.mono", { "data-digest": "found" }, told.found)],
    ),
    h("details.small", {}, h("summary", {}, "Check it without this page"), h("pre", {}, command(path))),
  );
}

function command(path) {
  const header = key() ? " -H 'Authorization: Bearer YOUR-KEY'" : "";
  return `curl -s${header} '${location.origin}${path}' | sha256sum`;
}
