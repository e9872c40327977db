// What filters found: fetched page by page, and kept for a while, so that going back is immediate.

import { ask } from "./api.js";

const KEPT = 8;
const LARGEST = 1000;

/** Matches of one question, as many as were asked for so far. */
class Found {
  constructor(query) {
    this.query = query;
    /** @type {{address: string, id: string, document?: Object, problem?: Object}[]} without a document: damaged */
    this.matches = [];
    this.cursor = null;
    this.complete = false;
  }

  /** Fetch until there are `wanted` matches, or no more. Raises Problem; AbortError if `signal` says so. */
  async reach(wanted, signal) {
    while (!this.complete && this.matches.length < wanted) {
      const limit = Math.min(LARGEST, wanted - this.matches.length);
      const page = await ask("/entities", { ...this.query, limit, cursor: this.cursor }, { signal });
      signal?.throwIfAborted();
      this.matches.push(...page.matches);
      this.cursor = page.cursor;
      this.complete = page.cursor === null;
    }
  }
}

const kept = new Map();

/**
 * The matches of a view's filters, in whatever state they are: call `reach`.
 * @param {import("./state.js").State} state
 * @returns {Found}
 */
export function found(state) {
  const query = { ...state.filters, ...(state.scan ? { allow_scan: "true" } : {}) };
  const name = JSON.stringify(Object.entries(query).sort());
  const known = kept.get(name) ?? new Found(query);
  kept.delete(name);
  kept.set(name, known);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return known;
}

/** Forget everything: the key changed, or somebody wants to look again. */
export function forget() {
  kept.clear();
}
