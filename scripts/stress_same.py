"""Does `stat7 stress compare` accuse nobody, and find what is slower? Short runs of one commit, compared among them.

    python scripts/stress_same.py measure DIR --rounds 10     in each round four runs as they are, one slowed by 20 %
    python scripts/stress_same.py judge DIR                   what comparisons of those runs say

The runs of a round follow each other in an order that is drawn, so that no side has the better hours. No run serves in
two comparisons of a line of what `judge` prints.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from stat7.record import format_time
from stat7.registry import anchored
from stat7.stress import environment, ingest, reference
from stat7.stress.compare import Comparison, compare, read_side, words
from stat7.stress.context import Context, Outcome, Stage, attempt
from stat7.stress.housing import Embedded, make_folder
from stat7.stress.measure import time_the_timer
from stat7.stress.plan import Budget, Mode, steps_of
from stat7.stress.results import Results, Run, write
from stat7.stress.sabotage.speed import SHARE, Slowed
from stat7.stress.subject import Location, Subject
from stat7.stress.targets import SEED
from stat7.stress.tests import address, concurrent, lookup
from stat7.stress.workload import Workload

SCALE: Final = 5000
WORKERS: Final = 2
SEED_NUMBER: Final = 7
MODE: Final = Mode("scales", (SCALE,), 120.0, 0.3, 20_000, 0.3, 1.2, workers=(WORKERS,))
SIDES: Final = ("same", "same", "also", "also", "slow")
"""What is run in a round."""


def short_run(slowed: bool) -> Results:
    """Address, lookup and concurrent at one small scale, the reference loop before, between and after."""
    folder = make_folder()
    try:
        return _short_run(Subject(wrap=Slowed() if slowed else None), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_run(subject: Subject, folder: Path) -> Results:
    workload, timer, begun = Workload(SEED_NUMBER), time_the_timer(subject.clock), time.monotonic()
    budget = Budget(steps_of(MODE), MODE.limit)
    cores = environment.usable_cores()
    context = Context(subject, workload, Embedded(folder), folder, MODE, SEED, budget, timer, cores)
    stage = Stage(SCALE, workload)
    results = _empty(folder, context)
    references = [reference.measure()]
    for name, measure in (
        ("address", lambda: address.measure(context, stage)),
        ("lookup", lambda: lookup.measure(context, stage)),
        ("concurrent", lambda: concurrent.measure(context, stage, WORKERS)),
    ):
        if name == "lookup":
            ingest.build(context, stage, ingest.Pace())
        results.tests.append(attempt(context, Outcome(name, SCALE, "compared with itself"), measure))
        references.append(reference.measure())
    results.self_check["reference"] = references
    results.run.finished_at = _now()
    results.run.seconds = round(time.monotonic() - begun, 3)
    return results


def _empty(folder: Path, context: Context) -> Results:
    place = Location(anchored("sqlite:asked.db", folder))
    with place.open() as repository:
        durability = environment.durability_of(repository)
    settings = {
        "profile": SEED.name,
        "scales": [SCALE],
        "store": context.housing.shown,
        "timer": {name: getattr(context.timer, name) for name in ("floor_ns", "floor_p99_ns", "step_ns")},
        "time_limit_seconds": MODE.limit,
        "experiments": [],
        "cuts": [],
        "notes": [],
    }
    run = Run(secrets.token_hex(8), MODE.name, "scripts/stress_same.py", SEED_NUMBER, _now())
    return Results(run, environment.describe(folder, durability), settings)


def _now() -> str:
    return format_time(time.time_ns() // 1_000_000)


def measure_rounds(folder: Path, rounds: int) -> None:
    """Run all sides once in each round, and keep the results."""
    for number in range(rounds):
        order = list(SIDES)
        Random(number).shuffle(order)
        for side in order:
            place = folder / side
            place.mkdir(parents=True, exist_ok=True)
            results = short_run(side == "slow")
            path = write(results, place)
            print(f"{number + 1} of {rounds}: {side} {path.name} {results.run.seconds:.1f} s", flush=True)


def judge(folder: Path) -> None:
    """Compare the runs by ones, in groups and all together, each run once a line; then the slowed with the others."""
    sides = {side: read_side(folder / side) for side in dict.fromkeys(SIDES)}
    same, also, slow = (
        sorted(sides[side], key=lambda results: results.run.started_at) for side in ("same", "also", "slow")
    )
    print(f"{len(same)} runs against {len(also)} of the same commit, and {len(slow)} slowed by {SHARE:.0%}")
    for size in (1, 2, 5):
        pairs = list(zip(_groups(same, size), _groups(also, size), strict=False))
        found = [compare(one, other) for one, other in pairs]
        print(f"the same, {size} against {size}: {_accused(found)}")
    for name, one, other in (("the same", same, also), ("slowed", same + also, slow)):
        comparison = compare(one, other)
        print(f"{name}, {len(one)} against {len(other)}: {comparison.conclusion}")
        for line in words.basis(comparison):
            print(f"    {line}")
        for row in words.rows(comparison):
            print("   ", *row, sep="\t")


def _groups(runs: Sequence[Results], size: int) -> list[Sequence[Results]]:
    """The runs in their order, so many at a time; what is left over is left out."""
    return [runs[start : start + size] for start in range(0, len(runs) - size + 1, size)]


def _accused(found: Sequence[Comparison]) -> str:
    accused = [comparison.conclusion for comparison in found if comparison.found]
    reach = f", would have shown {words.change(median(each.shows_from for each in found))}" if found else ""
    return "\n    ".join([f"{len(accused)} of {len(found)} comparisons show a difference{reach}", *accused])


def main() -> None:
    """Measure or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "judge"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    if given.what == "measure":
        measure_rounds(given.folder, given.rounds)
    else:
        judge(given.folder)


if __name__ == "__main__":
    main()
