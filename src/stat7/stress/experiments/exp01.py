"""EXP-01, address uniqueness: no collision, and why that would stay so."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import log2, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr, chdtrc, gammaincinv, ndtr

from stat7.stress.context import SILENCE, Context, Outcome
from stat7.stress.experiments import Experiment, Findings
from stat7.stress.experiments.claims import Z95, judged, largest
from stat7.stress.injectivity import check
from stat7.stress.results import Curve, Figure, Point, Target, TestResult, exact
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.tasks.uniqueness import AddressAgain, AddressAll
from stat7.stress.tests.collisions import (
    WINDOW_BITS,
    WINDOWS,
    Birthday,
    Digests,
    birthday,
    bit_deviations,
    duplicates,
    open_digests,
)
from stat7.stress.workers import run_together

MOST: Final = 1_000_000
BITS: Final = 8 * DIGEST
_AGAIN: Final = 2000
_CHANGED: Final = {"quick": 50, "full": 400}
_SEEDS: Final = ("1", "2")
_LEAST_EXPECTED: Final = 3.0
"""Pairs that chance must have, in all windows together, for a point of the curve."""

_RARE: Final = 1e-6
_UNIQUENESS: Final = (Target("duplicates", "==", 0, "addresses"), Target("malformed", "==", 0, "addresses"))
_BIRTHDAY: Final = (Target("probability", ">=", _RARE, "1"),)
_BALANCE: Final = (Target("largest_deviation", "<", 6, "sd"), Target("spread_probability", ">=", _RARE, "1"))
_INJECTIVITY: Final = (
    Target("unchanged_by_a_change", "==", 0, "changes"),
    Target("changed_by_reserialising", "==", 0, "spellings"),
)
_AGREEMENT: Final = (
    Target("differing_from_template", "==", 0, "addresses"),
    Target("differing_between_processes", "==", 0, "addresses"),
    Target("differing_between_forms", "==", 0, "addresses"),
)


def run(context: Context) -> Findings:
    """Address the entities in worker processes, then look at the addresses from five sides."""
    count = largest(context, MOST)
    context.budget.begin("EXP-01", count)
    path = context.folder / "exp-01-digests"
    with path.open("wb") as file:
        file.truncate(count * DIGEST)
    again = [_address_again(context, count, seed) for seed in _SEEDS]
    made = _address_all(context, count)
    digests = open_digests(path, count)
    windows = [birthday(digests, window) for window in range(WINDOWS)]
    deviations = bit_deviations(digests)
    tests = (
        _uniqueness(context, digests, made),
        _birthday(context, count, windows),
        _balance(context, count, deviations),
        _injectivity(context, count),
        _agreement(context, count, made, again),
    )
    parameters = {"entities": count, "windows": WINDOWS, "window_bits": WINDOW_BITS, "address_bits": BITS}
    drawn = [_pairs_by_count(digests), _distribution(deviations)]
    return Findings(tests, [curve for curve in drawn if all(curve.lines.values())], parameters)


def _address_all(context: Context, count: int) -> list[Mapping[str, Any]]:
    cores, path = context.cores, context.folder / "exp-01-digests"
    tasks = [AddressAll(context.subject, context.workload, count, worker, cores, path) for worker in range(cores)]
    done = [0] * cores

    def on_progress(worker: int, items: int) -> None:
        done[worker] = items
        context.tell(sum(done), count)

    return run_together(tasks, seconds=SILENCE, on_progress=on_progress)


def _address_again(context: Context, count: int, seed: str) -> Mapping[str, Any]:
    """The first entities, in a process of its own whose built-in hash starts from another seed."""
    with _hash_seed(seed):
        (found,) = run_together([AddressAgain(context.subject, context.workload, min(count, _AGAIN))], seconds=SILENCE)
    return found


@contextmanager
def _hash_seed(seed: str) -> Iterator[None]:
    """Processes that are started meanwhile get this seed for their built-in hash."""
    name = "PYTHONHASHSEED"
    before = os.environ.get(name)
    os.environ[name] = seed
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _uniqueness(context: Context, digests: Digests, made: Sequence[Mapping[str, Any]]) -> TestResult:
    count = len(digests)
    outcome = Outcome("uniqueness", count, "no two entities have the same address")
    pairs, found = count * (count - 1) / 2, duplicates(digests)
    low, high = rate_interval(found)
    proven = -log2(high / pairs)
    outcome.figures = {
        "duplicates": exact(found, "addresses", count),
        "malformed": exact(sum(each["malformed"] for each in made), "addresses", count),
        "pairs": exact(pairs, "pairs", count),
        "collisions_per_pair": Figure(found / pairs, "1", count, (low / pairs, high / pairs)),
        "bits_proven": exact(round(proven, 1), "bits", count),
    }
    outcome.parameters = {
        "meaning": f"{found} collisions among these pairs mean, at 95 %, that a pair collides less often than once in "
        f"2^{proven:.1f}; that an address has {BITS} bits is not shown by counting, only that it has {proven:.1f} or "
        "more: the tests of windows, bits and changes are there for the rest"
    }
    return judged(outcome, context, _UNIQUENESS)


def rate_interval(found: int) -> tuple[float, float]:
    """Of the expectation behind a count, at 95 %: exact Poisson (Garwood 1936); of none, up to 3 (rule of three)."""
    if not found:
        return 0.0, 3.0
    return float(gammaincinv(found, 0.025)), float(gammaincinv(found + 1, 0.975))


def _birthday(context: Context, count: int, windows: Sequence[Birthday]) -> TestResult:
    outcome = Outcome(
        "birthday", count, f"parts of {WINDOW_BITS} bits of the addresses collide as often as random numbers do"
    )
    observed, expected = sum(each.observed for each in windows), sum(each.expected for each in windows)
    low, high = rate_interval(observed)
    # The smallest of the probabilities, made as rare as it looks among so many (Bonferroni).
    least = min(1.0, WINDOWS * min(each.probability for each in windows))
    outcome.figures = {
        "pairs_observed": exact(observed, "pairs", count),
        "pairs_expected": exact(expected, "pairs", count),
        "observed_to_expected": Figure(observed / expected, "1", observed, (low / expected, high / expected)),
        "probability": exact(least, "1", count),
        **{f"window_{at}_pairs": exact(each.observed, "pairs", count) for at, each in enumerate(windows, 1)},
    }
    return judged(outcome, context, _BIRTHDAY)


def _balance(context: Context, count: int, deviations: NDArray[np.float64]) -> TestResult:
    outcome = Outcome("bit balance", count, f"each of the {BITS} bits of an address is 1 in half of all addresses")
    squares = float(np.square(deviations).sum())
    spread = min(1.0, 2 * min(float(chdtr(BITS, squares)), float(chdtrc(BITS, squares))))
    outcome.figures = {
        "largest_deviation": exact(float(np.abs(deviations).max()), "sd", count),
        "spread": exact(sqrt(squares / BITS), "sd", BITS),
        "spread_probability": exact(spread, "1", BITS),
        "bits_beyond_3_sd": exact(int((np.abs(deviations) > 3).sum()), "bits", BITS),
    }
    return judged(outcome, context, _BALANCE)


def _injectivity(context: Context, count: int) -> TestResult:
    outcome = Outcome("injectivity", count, "every change of a fact changes the address, no other spelling of it does")
    entities = min(count, _CHANGED.get(context.mode.name, _CHANGED["quick"]))
    found = check(context.subject.addresser, context.workload, entities)
    outcome.figures = {
        "unchanged_by_a_change": exact(len(found.kept), "changes", found.changes),
        "changed_by_reserialising": exact(len(found.moved), "spellings", found.spellings),
    }
    outcome.parameters = {"entities": entities, **found.examples}
    return judged(outcome, context, _INJECTIVITY)


def _agreement(
    context: Context, count: int, made: Sequence[Mapping[str, Any]], again: Sequence[Mapping[str, Any]]
) -> TestResult:
    outcome = Outcome(
        "agreement", count, "the same facts have the same address in every process and form, and by other means, too"
    )
    one, other = again
    repeated = len(one["lines"])
    outcome.figures = {
        "differing_from_template": exact(sum(each["differing"] for each in made), "addresses", count),
        "differing_between_processes": exact(
            _differing(one["lines"], other["lines"]) + _differing(one["objects"], other["objects"]),
            "addresses",
            2 * repeated,
        ),
        "differing_between_forms": exact(
            sum(_differing(each["lines"], each["objects"]) for each in again), "addresses", 2 * repeated
        ),
    }
    outcome.parameters = {"hash_seeds": list(_SEEDS), "processes": len({each["process"] for each in again})}
    first = next((each["first_difference"] for each in made if each["first_difference"]), "")
    if first:
        outcome.parameters["first_difference"] = first
    if one["witness"] == other["witness"] or one["process"] == other["process"]:
        outcome.lacking = "two processes with different hash seeds couldn't be had"
    return judged(outcome, context, _AGREEMENT)


def _differing(some: Sequence[str], others: Sequence[str]) -> int:
    return sum(one != other for one, other in zip(some, others, strict=True))


def _pairs_by_count(digests: Digests) -> Curve:
    """Pairs in all windows among the first addresses, for counts that grow by the root of ten."""
    found, expected = [], []
    size = float(len(digests))
    while (pairs := WINDOWS * size * (size - 1) / 2 / 2**WINDOW_BITS) >= _LEAST_EXPECTED:
        count = round(size)
        observed = sum(birthday(digests[:count], window).observed for window in range(WINDOWS))
        expected.append(Point(count, pairs))
        if observed:
            found.append(Point(count, observed, rate_interval(observed)))
        size /= sqrt(10)
    lines = {"observed": found[::-1], "expected of random numbers": expected[::-1]}
    return Curve(
        f"Pairs of addresses that agree in one of {WINDOWS} windows of {WINDOW_BITS} bits",
        "addresses", "", "pairs", "", lines, log_x=True, log_y=True,
    )  # fmt: skip


def _distribution(deviations: NDArray[np.float64]) -> Curve:
    """How many bits deviate by how much, against the normal distribution; intervals of chance are with the latter."""
    edges = np.arange(-4.0, 4.5, 0.5)
    held = np.clip(deviations, edges[0], edges[-1])
    counts, _ = np.histogram(held, edges)
    shares = np.diff(ndtr(edges))
    shares[[0, -1]] += ndtr(edges[0])
    middles = (edges[:-1] + edges[1:]) / 2
    expected = []
    for middle, share in zip(middles, shares, strict=True):
        usual, wide = float(BITS * share), Z95 * sqrt(BITS * share * (1 - share))
        expected.append(Point(float(middle), usual, (max(0.0, usual - wide), usual + wide)))
    observed = [Point(float(middle), int(number)) for middle, number in zip(middles, counts, strict=True)]
    lines = {"observed": observed, "normal distribution": expected}
    return Curve("Balance of the bits of an address", "deviation from half", "sd", "bits", "", lines)


EXPERIMENT: Final = Experiment(
    "EXP-01",
    "Address uniqueness",
    "different facts have different addresses, the same facts the same address, wherever and however it is made",
    "All entities are addressed by worker processes; the addresses are searched for duplicates, exactly. Because "
    "finding none says little, 8 windows of 28 bits must collide as often as chance has it, all 256 bits must be "
    "balanced and their deviations spread like a normal distribution; every change of a single fact must change the "
    "address and every other spelling of the same facts keep it; every address must be the SHA-256 of canonical bytes "
    "written by the harness's own template, and the same in processes with different hash seeds.",
    (
        "Zero collisions in N addresses bounds the chance of a pair only to about 6/N^2 (the figure bits_proven); that "
        "all bits count rests on SHA-256 and on the agreement with the template.",
        "The entities are made by the harness: facts of another kind (other state members, files, long texts) are "
        "tried on a sample only.",
        "The template is a second opinion by the same authors, and both could share a misreading of the format; the "
        "published test vectors are there for that.",
        "Windows and bits can't tell SHA-256 from another good hash, nor from a short address that is hashed again: "
        "the comparison with the template can.",
        "A forger is not tried: nobody searches for collisions here.",
    ),
    run,
)
