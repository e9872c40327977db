"""EXP-06: files read by 1 to 32 processes at once, whole and in ranges, small and large, against reading the same bytes
from raw files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path
from typing import Any, Final

from stat7.registry import redact
from stat7.stress.context import SILENCE, Context, Outcome
from stat7.stress.experiments import Experiment, Findings
from stat7.stress.experiments.claims import judged
from stat7.stress.experiments.places import drop, is_ours, library, painted, require_disk, room
from stat7.stress.measure import bootstrap
from stat7.stress.media import Library
from stat7.stress.results import Curve, Figure, Point, Target, TestResult, exact
from stat7.stress.subject import Location
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.tasks.retrieval import RANGE, Put, Retriever, Slice
from stat7.stress.workers import Crew, run_together

CLAIM: Final = "many processes read verified files at once, nearly as fast as raw files that they hash themselves"

PUTTERS: Final = 2

_SHIFT: Final = 100.0
"""Added to logarithms for the bootstrap, which takes its values for amounts that can't be below 0."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is read: files of a group, whole or in ranges."""

    name: str
    group: str
    ranges: bool


LEAST: Final = 0.5
"""The least ratio to raw files. Why it's fair: a whole file is hashed once (SHA-256) on either side, and that is most
of the work with movies. The store checks chunks besides (xxh3, some twenty times as fast), looks for a chunk table, and
takes a few more steps in Python for each file: a tenth to a fifth more time of the processor, when it was measured
alone. A range costs the chunks of 1 MiB that it touches, checked by xxh3, where the raw reader hashes no more than was
asked for: mostly less work, unless the disk is what is slow. So half the speed leaves room for all of that and for a
machine that is busy, and none for hashing everything twice."""

KINDS: Final = (
    Kind("whole images", "thumbnail", False),
    Kind("ranges of images", "thumbnail", True),
    Kind("whole movies", "long movie", False),
    Kind("ranges of movies", "long movie", True),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Files of each group, numbers of workers, paired rounds for each of them and kind, seconds of a slice."""

    images: int
    movies: int
    workers: tuple[int, ...]
    rounds: int
    seconds: float


PLANS: Final = {
    "quick": Plan(300, 8, (1, 4, 16), 8, 0.05),
    "full": Plan(2000, 40, (1, 2, 4, 8, 16, 32), 16, 0.12),
}

TRIAL: Final = Plan(30, 2, (1, 2), 5, 0.02)


@dataclass(slots=True)
class _Side:
    """What one side did with some number of workers: by round, bytes and files in a second."""

    bytes: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)
    reads: int = 0
    wrong: int = 0
    errors: int = 0
    first_error: str = ""

    def add(self, found: Sequence[Mapping[str, Any]], workers: int) -> None:
        """A slice, from when the first worker began until the last had finished."""
        busy = found[:workers]
        seconds = (max(each["ended"] for each in busy) - min(each["begun"] for each in busy)) / 1e9
        reads = sum(each["files"] for each in busy)
        self.bytes.append(sum(each["bytes"] for each in busy) / max(seconds, 1e-9))
        self.files.append(reads / max(seconds, 1e-9))
        self.reads += reads
        self.wrong += sum(each["wrong"] for each in busy)
        self.errors += sum(each["errors"] for each in busy)
        self.first_error = self.first_error or next((each["first_error"] for each in busy if each["first_error"]), "")


def run(context: Context) -> Findings:
    """By the mode."""
    return measure(context, PLANS[context.mode.name])


def trial(context: Context) -> Findings:
    """A small run with painted pictures, for the self-test of the harness."""
    return measure(painted(context), TRIAL)


def measure(context: Context, plan: Plan) -> Findings:
    """Read by more and more workers. Raises Lacking, WorkerFailed and ConfigError."""
    with library(context) as files, room(context, "exp-06") as location:
        shelf = files.open()
        counts = {"thumbnail": plan.images, "long movie": plan.movies}
        needed = sum(shelf.size(index, group) for group, count in counts.items() for index in range(count))
        require_disk(context.folder, int(2.2 * needed))
        stored: dict[str, list[str]] = {}
        try:
            raw = context.folder / "exp-06" / "raw"
            _store(location, files, raw, counts, stored)
            hands = [
                Retriever(context.subject, location, files, stored, raw, worker) for worker in range(max(plan.workers))
            ]
            with Crew(hands, SILENCE + 3 * len(hands)) as crew:
                tests, lines = _each_kind(context, plan, crew)
        finally:
            drop(context, location, [bytes.fromhex("".join(names)) for names in stored.values()])
        return Findings(tests, list(_curves(lines)), _parameters(context, plan, location, needed))


def _store(
    location: Location, files: Library, raw: Path, counts: Mapping[str, int], stored: dict[str, list[str]]
) -> None:
    """Put all files, and write the raw ones beside them; `stored` gets their names, by group, in their order."""
    tasks = []
    for group, count in counts.items():
        (raw / group).mkdir(parents=True)
        stored[group] = [""] * count
        tasks += [Put(location, files, group, raw / group, range(first, count, PUTTERS)) for first in range(PUTTERS)]
    for task, found in zip(tasks, run_together(tasks, seconds=SILENCE), strict=True):
        for number, index in enumerate(task.indexes):
            stored[task.group][index] = found["digests"][number * DIGEST : (number + 1) * DIGEST].hex()


Lines = dict[str, dict[str, list[tuple[int, _Side]]]]
"""By kind and side: what it did with each number of workers."""


def _each_kind(context: Context, plan: Plan, crew: Crew) -> tuple[list[TestResult], Lines]:
    tests, lines = [], Lines()
    total, done = len(KINDS) * len(plan.workers) * plan.rounds, 0
    for kind in KINDS:
        outcome = Outcome("file retrieval", plan.movies + plan.images, CLAIM, kind.name, timed=True)
        lines[kind.name] = {"stat7": [], "raw": []}
        targets = [Target("errors", "==", 0, "operations")]
        sides = {}
        for workers in plan.workers:
            sides[workers] = stat7, raw = _Side(), _Side()
            for number in range(plan.rounds):
                _round(crew, kind, plan, workers, number, stat7, raw)
                done += 1
                context.tell(done, total)
            outcome.figures |= _figures(workers, stat7, raw)
            targets.append(Target(f"ratio_{workers}", ">=", LEAST, "1"))
            lines[kind.name]["stat7"].append((workers, stat7))
            lines[kind.name]["raw"].append((workers, raw))
        both = [side for pair in sides.values() for side in pair]
        reads = sum(stat7.reads for stat7, _ in sides.values())
        outcome.figures["errors"] = exact(sum(side.errors for side in both), "operations", reads)
        outcome.invalid = _wrong(both)
        outcome.parameters = {"group": kind.group, "ranges": kind.ranges, "rounds": plan.rounds}
        tests.append(judged(outcome, context, targets))
    return tests, lines


def _round(crew: Crew, kind: Kind, plan: Plan, workers: int, number: int, stat7: _Side, raw: _Side) -> None:
    """One slice of each side, of the same files; who begins changes from round to round."""
    order = [(stat7, False), (raw, True)]
    for side, is_raw in order if number % 2 == 0 else reversed(order):
        piece = Slice(kind.group, kind.ranges, is_raw, workers, plan.seconds, number)
        side.add(crew.order(piece, plan.seconds + SILENCE), workers)


def _figures(workers: int, stat7: _Side, raw: _Side) -> dict[str, Figure]:
    figures = {f"ratio_{workers}": _ratio(stat7, raw)}
    for name, side in (("stat7", stat7), ("raw", raw)):
        figures[f"{name}_bytes_per_second_{workers}"] = _mean([rate / 1e6 for rate in side.bytes], "MB/s", side.reads)
        figures[f"{name}_files_per_second_{workers}"] = _mean(side.files, "1/s", side.reads)
    return figures


def _mean(values: Sequence[float], unit: str, samples: int) -> Figure:
    return Figure(sum(values) / len(values), unit, samples, bootstrap(values))


def _ratio(stat7: _Side, raw: _Side) -> Figure:
    """The geometric mean over rounds of the rates' ratio; each round is a pair, so that what slows the machine slows
    both.
    """
    if not all(stat7.bytes) or not all(raw.bytes):
        return Figure(None, "1", stat7.reads)
    logs = [log(ours / theirs) for ours, theirs in zip(stat7.bytes, raw.bytes, strict=True)]
    spread = bootstrap([_SHIFT + each for each in logs])
    ends = None if spread is None else (exp(spread[0] - _SHIFT), exp(spread[1] - _SHIFT))
    return Figure(exp(sum(logs) / len(logs)), "1", stat7.reads, ends)


def _wrong(sides: Sequence[_Side]) -> str | None:
    wrong = sum(side.wrong for side in sides)
    first = next((side.first_error for side in sides if side.first_error), "")
    return f"bytes compared with those that were put: {wrong} wrong answers, the first: {first}" if wrong else None


def _curves(lines: Lines) -> Iterator[Curve]:
    for kind, sides in lines.items():
        moved = {
            name: [_point(workers, [rate / 1e6 for rate in side.bytes]) for workers, side in line]
            for name, line in sides.items()
        }
        yield Curve(f"Reading {kind}: bytes", "workers", "processes", "rate", "MB/s", moved, log_x=True)
        answered = {name: [_point(workers, side.files) for workers, side in line] for name, line in sides.items()}
        yield Curve(f"Reading {kind}: requests", "workers", "processes", "rate", "1/s", answered, log_x=True)


def _point(workers: int, rates: Sequence[float]) -> Point:
    return Point(workers, sum(rates) / len(rates), bootstrap(rates))


def _parameters(context: Context, plan: Plan, location: Location, needed: int) -> dict[str, Any]:
    return {
        "files": "file:, a new folder" if is_ours(context, location) else redact(location.files),
        "images": plan.images,
        "movies": plan.movies,
        "bytes": needed,
        "workers": list(plan.workers),
        "rounds": plan.rounds,
        "seconds_of_a_slice": plan.seconds,
        "bytes_of_a_movie_range": list(RANGE),
    }


EXPERIMENT: Final = Experiment(
    "EXP-06",
    "Concurrent file retrieval",
    CLAIM,
    "The same images and movies lie in the store and as raw files on the disk of the run. 1 to 32 processes read them, "
    "whole and in ranges, in short slices: from the store, which verifies them; then raw, each process hashing what it "
    "reads (SHA-256); then the other way round. Every byte of either is compared with what was put, which costs both "
    "the same. A slice lasts until the last process is done. The ratio is the geometric mean over paired slices.",
    (
        "Everything is read from the memory of the operating system: what is compared is the work of the processors, "
        "not the disk, and a slow disk would bring the ratio nearer to 1.",
        "The raw reader is a Python program of a few lines; one in C would be quicker with small files.",
        "A raw reader that hashes a range knows only that it has read what it has read; to prove a range against the "
        "file's name it would have to read the whole file. Ranges are thus compared with something weaker.",
        "More processes than cores take turns: what their curves show beyond that is that nothing breaks down.",
        "With files on another machine (--files) the raw files are still local: the ratio then is that of the network.",
    ),
    run,
    needs="pictures and movies (`make demo-data`, or --media DIR)",
)
