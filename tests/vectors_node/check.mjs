// Checks spec/vectors with the npm package canonicalize and node:crypto, knowing nothing of stat7.
// Usage: node check.mjs FOLDER     prints {"checked": {file: count}, "failures": ["file: name: what"]}
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import canonicalize from "canonicalize";

const folder = process.argv[2];
const failures = [];
const checked = {};

function vectors(file) {
  const read = JSON.parse(readFileSync(join(folder, file), "utf8")).vectors;
  checked[file] = read.length;
  return read;
}

function expect(what, found, expected) {
  if (found !== expected) failures.push(`${what}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`.slice(0, 400));
}

// The string that a text of the vector files stands for: see spec/vectors/README.md.
function expand(text) {
  return typeof text === "string" ? text : text.map(expandPiece).join("");
}

function expandPiece(piece) {
  if (typeof piece === "string") return piece;
  if ("repeat" in piece) return piece.repeat.repeat(piece.times);
  const numbers = Array.from({ length: piece.last - piece.first + 1 }, (_, index) => String(piece.first + index));
  return numbers.map((number) => piece.before + number.padStart(piece.digits, "0") + piece.after).join(piece.between);
}

const sha256 = (text) => createHash("sha256").update(text, "utf8").digest("hex");

for (const vector of vectors("valid.json")) {
  const canonical = expand(vector.canonical);
  const written = canonicalize(JSON.parse(canonical));
  expect(`valid.json: ${vector.name}: canonical`, written, canonical);
  expect(`valid.json: ${vector.name}: address`, sha256(written), vector.address);
  expect(`valid.json: ${vector.name}: size`, Buffer.byteLength(written, "utf8"), vector.size);
  if (vector.same_facts) {
    const other = canonicalize(JSON.parse(expand(vector.input)));
    expect(`valid.json: ${vector.name}: address of the input`, sha256(other), vector.address);
  }
  const place = JSON.parse(canonical).coordinates;
  const neighbours = sha256(canonicalize(place.adjacency)).slice(0, 16);
  const reals = `r=${place.resonance}&v=${place.velocity}&d=${place.density}`;
  const locator = `stat7://${place.realm}/${place.lineage}/${neighbours}/${place.horizon}?${reals}`;
  expect(`valid.json: ${vector.name}: locator`, locator, vector.locator);
}

for (const vector of vectors("numbers.json")) {
  const value = Buffer.from(vector.bits, "hex").readDoubleBE(0);
  expect(`numbers.json: ${vector.bits}`, Number.isFinite(value) ? canonicalize(value) : null, vector.text);
}

for (const vector of vectors("sorting.json")) {
  const names = Object.keys(JSON.parse(canonicalize(Object.fromEntries([...vector.sorted].reverse().map((name) => [`x${name}`, 0])))));
  expect(`sorting.json: ${vector.name}`, JSON.stringify(names), JSON.stringify(vector.sorted.map((name) => `x${name}`)));
}

console.log(JSON.stringify({ checked, failures }));
