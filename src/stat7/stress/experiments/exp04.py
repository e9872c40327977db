"""EXP-04: 100,000 files made from real pictures and movies: stored, stored again, read back, verified, and weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np

from stat7.registry import redact
from stat7.stress.context import SILENCE, Context, Outcome, saturated, timings
from stat7.stress.experiments import Experiment, Findings
from stat7.stress.experiments.claims import judged
from stat7.stress.experiments.places import drop, is_ours, library, painted, require_disk, room, throughput
from stat7.stress.measure import Summary, part_of, summarise
from stat7.stress.media import LONG_MOVIE, PER_MILLE, Library
from stat7.stress.results import Curve, Figure, Point, Target, TestResult, exact
from stat7.stress.subject import Location
from stat7.stress.tasks.files import AGAIN, AGAIN_BY_NAME, Put, ReadWhole, Survey, Validate, Verify
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import Task, run_together

CLAIM: Final = "a hundred thousand real pictures and movies are stored durably, each once, and come back byte for byte"

PER_FILE: Final = 4096
"""Bytes of overhead that each file may have: the rest of its last block in the file system, its name, its table."""

CHECKED: Final = 200
"""Files of the sample that is decoded."""

LONGEST: Final = 600.0
"""Seconds that surveying and verifying may be silent for."""

INGEST: Final = (Target("put_per_second", ">=", 100, "1/s"), Target("errors", "==", 0, "operations"))
AGAIN_TARGETS: Final = (
    Target("bytes_added", "==", 0, "B"),
    Target("files_added", "==", 0, "files"),
    Target("errors", "==", 0, "operations"),
)
READ: Final = (
    Target("lost", "==", 0, "files"),
    Target("read_per_second", ">=", 1000, "1/s"),
    Target("errors", "==", 0, "operations"),
)
SPACE: Final = (Target("bytes_held_per_byte", "==", 1, "1"), Target("space_amplification", "<=", 1.1, "1"))
VERIFY: Final = (Target("findings", "==", 0, "findings"), Target("files_unverified", "==", 0, "files"))
FORMAT: Final = (Target("invalid_files", "==", 0, "files"),)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many distinct files, how many of them are put again, and by how many processes."""

    files: int
    again: int
    workers: int = 4


PLANS: Final = {"quick": Plan(2000, 400, 2), "full": Plan(100_000, 10_000)}


@dataclass(slots=True)
class _Run:
    """What the steps share: `digests` of the files that were acknowledged, as bytes and as a file."""

    context: Context
    plan: Plan
    location: Location
    library: Library
    digests: bytes = b""

    @property
    def file(self) -> Path:
        """Where readers find the digests."""
        return self.library.folder / "digests"

    def go(self, tasks: Sequence[Task], total: int, silence: float = SILENCE) -> list[Mapping[str, Any]]:
        """Run workers, telling how far they are together."""
        done = [0] * len(tasks)

        def heard(worker: int, items: int) -> None:
            done[worker] = items
            self.context.tell(sum(done), total)

        ready = SILENCE + 3 * len(tasks)
        return run_together(tasks, seconds=silence, prepare_seconds=ready, on_progress=heard)

    def outcome(self, name: str, claim: str) -> Outcome:
        """An empty outcome of a step."""
        return Outcome(name, self.plan.files, claim, parameters={"workers": self.plan.workers})


TRIAL: Final = Plan(1010, 40, 1)
"""Just so many that a store which loses one put in a thousand loses one."""


def trial(context: Context) -> Findings:
    """A small run with painted pictures, for the self-test of the harness."""
    return measure(painted(context), TRIAL)


def run(context: Context) -> Findings:
    """By the mode: 2,000 files or 100,000."""
    return measure(context, PLANS[context.mode.name])


def measure(context: Context, plan: Plan) -> Findings:
    """Put, put again, read, weigh, verify. Raises Lacking, WorkerFailed and ConfigError."""
    with library(context) as files, room(context, "exp-04") as location:
        shelf = files.open()
        planned = sum(shelf.size(index) for index in range(plan.files))
        require_disk(context.folder, int(planned * 1.1) + plan.files * PER_FILE if is_ours(context, location) else 0)
        steps = _Run(context, plan, location, files)
        try:
            return _measure(steps, planned, {group: len(seeds) for group, seeds in shelf.groups.items()})
        finally:
            drop(context, location, [steps.digests])


def _measure(steps: _Run, planned: int, seeds: Mapping[str, int]) -> Findings:
    valid, before = _begin(steps)
    put, course = _ingest(steps)
    between = _survey(steps)
    again = _again(steps, between)
    read, read_course = _read(steps)
    tests = [valid, put, again, read, _space(steps, planned, before, between)]
    if not before["files"]:
        tests.append(_verify(steps))
    curve = Curve(
        "Files stored and read over the run", "files done", "files", "rate", "1/s", {"put": course, "read": read_course}
    )
    parameters = {
        "files": redact(steps.location.files) if not is_ours(steps.context, steps.location) else "file:, a new folder",
        "distinct_files": steps.plan.files,
        "put_again": steps.plan.again,
        "distinct_bytes": planned,
        "files_there_before": before["files"],
        "per_mille_of_groups": dict(PER_MILLE),
        "seeds_of_groups": dict(seeds),
        "long_movie_bytes": LONG_MOVIE,
        "workers": steps.plan.workers,
    }
    return Findings(tests, [curve], parameters)


def _survey(steps: _Run) -> Mapping[str, Any]:
    (found,) = steps.go([Survey(steps.location)], steps.plan.files, LONGEST)
    return found


def _begin(steps: _Run) -> tuple[TestResult, Mapping[str, Any]]:
    """Decode a sample of what will be put, while the store is surveyed."""
    outcome = steps.outcome("file format", "what is stored are pictures that show what their seeds show, and movies")
    count = min(CHECKED, steps.plan.files)
    sample = Random(steps.context.workload.seed).sample(range(steps.plan.files), count)
    found, before = steps.go([Validate(steps.library, tuple(sample)), Survey(steps.location)], count, LONGEST)
    outcome.figures = {"invalid_files": exact(found["flaws"], "files", count)}
    if found["flaws"]:
        outcome.invalid = f"the harness's own files: {found['flaws']} of {count} are no good: {found['first'][0]}"
    return judged(outcome, steps.context, FORMAT), before


def _ingest(steps: _Run) -> tuple[TestResult, list[Point]]:
    plan = steps.plan
    outcome = steps.outcome("file ingest", "files are stored durably, one put each, by several processes")
    tasks = [
        Put(steps.context.subject, steps.location, steps.library, range(worker, plan.files, plan.workers))
        for worker in range(plan.workers)
    ]
    found = steps.go(tasks, plan.files)
    steps.digests = b"".join(result["digests"] for result in found)
    steps.file.write_bytes(steps.digests)
    whole = summarise([timings(result) for result in found])
    outcome.summaries = {"put": whole}
    outcome.figures = {
        **whole.figures("put_"),
        "put_bytes_per_second": _throughput(found),
        "errors": _errors(found),
        "generator_ceiling": Figure(sum(result["ceiling"] for result in found), "1/s", len(found)),
    }
    outcome.invalid = _wrong(found, "answers to puts") or saturated(whole.rate, sum(each["ceiling"] for each in found))
    return judged(outcome, steps.context, INGEST), _course(whole, len(steps.digests) // DIGEST)


def _again(steps: _Run, before: Mapping[str, Any]) -> TestResult:
    plan = steps.plan
    outcome = steps.outcome("file dedupe", "bytes that are stored already take no room when they are put again")
    # What was put by one worker is put again by another.
    tasks = [
        Put(
            steps.context.subject,
            steps.location,
            steps.library,
            range((worker + 1) % plan.workers, plan.again, plan.workers),
            again=True,
        )
        for worker in range(plan.workers)
    ]
    found = steps.go(tasks, plan.again)
    # What the first put lost the second may have stored.
    after = _survey(steps)
    whole = summarise([timings(result) for result in found])
    kinds = {"again": AGAIN, "again by name": AGAIN_BY_NAME}
    summaries = {kind: part_of(whole, [timings(result, number) for result in found]) for kind, number in kinds.items()}
    outcome.summaries = summaries
    outcome.figures = {
        **summaries["again"].figures("again_"),
        **summaries["again by name"].figures("by_name_"),
        "put_bytes_per_second": _throughput(found),
        "bytes_put_again": exact(_moved(found), "B", _answered(found)),
        "bytes_added": exact(after["bytes"] - before["bytes"], "B", _answered(found)),
        "files_added": exact(after["files"] - before["files"], "files", _answered(found)),
        "errors": _errors(found),
    }
    if after["disk"] is not None:
        outcome.figures["disk_bytes_added"] = exact(after["disk"] - before["disk"], "B", _answered(found))
    outcome.invalid = _wrong(found, "answers to puts")
    own = is_ours(steps.context, steps.location) and after["disk"] is not None
    # Shared folders and buckets have other users.
    disk = (Target("disk_bytes_added", "<=", PER_FILE * 256, "B"),) if own else ()
    return judged(outcome, steps.context, (*AGAIN_TARGETS, *disk))


def _read(steps: _Run) -> tuple[TestResult, list[Point]]:
    context, plan = steps.context, steps.plan
    outcome = steps.outcome("file read", "every file comes back whole and as it was put")
    seed = context.workload.seed
    tasks = [
        ReadWhole(context.subject, steps.location, steps.file, seed, worker, plan.workers)
        for worker in range(plan.workers)
    ]
    count = len(steps.digests) // DIGEST
    found = steps.go(tasks, count)
    whole = summarise([timings(result) for result in found])
    lost = sum(result["lost"] for result in found)
    outcome.summaries = {"read": whole}
    outcome.figures = {
        **whole.figures("read_"),
        "read_bytes_per_second": _throughput(found),
        "bytes_read": exact(_moved(found), "B", _answered(found)),
        "lost": exact(lost, "files", count),
        "errors": _errors(found),
    }
    outcome.invalid = _wrong(found, "re-hashed reads")
    if lost:
        outcome.invalid = f"acknowledged puts read back: {lost} of {count} files are not there"
    return judged(outcome, context, READ), _course(whole, count)


def _space(steps: _Run, planned: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> TestResult:
    """Right after the ingest, so that no second put has mended what the first one lost."""
    outcome = steps.outcome("file space", "files take hardly more disk than they have bytes")
    count = steps.plan.files
    held = after["bytes"] - before["bytes"]
    outcome.figures = {
        "distinct_bytes": exact(planned, "B", count),
        "bytes_held": exact(held, "B", count),
        "bytes_held_per_byte": exact(held / planned, "1", count),
    }
    targets: tuple[Target, ...] = SPACE[:1]
    if after["disk"] is not None:
        disk = after["disk"] - before["disk"]
        outcome.figures |= {
            "disk_bytes": exact(disk, "B", count),
            "disk_bytes_per_byte": exact(disk / planned, "1", count),
            "space_amplification": exact(disk / (planned + count * PER_FILE), "1", count),
        }
        targets = SPACE
    outcome.parameters["overhead_allowed_per_file_bytes"] = PER_FILE
    return judged(outcome, steps.context, targets)


def _verify(steps: _Run) -> TestResult:
    outcome = steps.outcome("file verify", "stat7's own verification reads every file and finds nothing wrong")
    count = len(steps.digests) // DIGEST
    (found,) = steps.go([Verify(steps.location)], count, LONGEST)
    outcome.figures = {
        "findings": exact(found["findings"], "findings", found["files"]),
        "files_unverified": exact(count - found["files"], "files", count),
    }
    outcome.parameters["first_finding"] = found["first"][0] if found["first"] else None
    return judged(outcome, steps.context, VERIFY)


def _throughput(found: Sequence[Mapping[str, Any]]) -> Figure:
    return throughput([(timings(each)[0], np.frombuffer(each["sizes"], dtype=np.int64)) for each in found])


def _moved(found: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(np.frombuffer(each["sizes"], dtype=np.int64).sum()) for each in found)


def _answered(found: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(each["kinds"]) for each in found)


def _errors(found: Sequence[Mapping[str, Any]]) -> Figure:
    errors = sum(each["errors"] for each in found)
    return exact(errors, "operations", _answered(found) + errors)


def _wrong(found: Sequence[Mapping[str, Any]], check: str) -> str | None:
    wrong = sum(each["wrong"] for each in found)
    first = next((each["first_error"] for each in found if each["first_error"]), "")
    return f"{check}: {wrong} are wrong, the first: {first}" if wrong else None


def _course(whole: Summary, count: int) -> list[Point]:
    """The rate in each block of the run, by the files done by the end of the block."""
    blocks = len(whole.blocks)
    return [Point(count * (at + 1) / blocks, float(rate)) for at, rate in enumerate(whole.blocks)]


EXPERIMENT: Final = Experiment(
    "EXP-04",
    "File storage at 100,000 files",
    CLAIM,
    "From real pictures and movies distinct files are made that are still valid (each has a mark in a place its format "
    "keeps for remarks; a sample is decoded and compared with the originals). Four processes put all of them, one "
    "durable put each, then some of them again; what the store holds is counted before and after. Then every file is "
    "read whole and hashed by the harness, and stat7's own verification follows. Quick: 2,000 files; full: 100,000.",
    (
        "The files of one group and seed differ in a few bytes only: a file system or disk that compresses or "
        "deduplicates blocks would store them in less than it would take for as many different pictures.",
        "Shares of thumbnails, previews, pictures and movies are an assumption; another library has other sizes. Long "
        "movies are made of the media of short ones, and of some MB each.",
        "Files are read soon after they were written, mostly from the memory of the operating system: a library larger "
        "than memory is read as fast as its disk answers.",
        "The harness makes and hashes each file on the same processors, which counts into the rates (not into the "
        "latencies): they are what is reached at least.",
        "Whether a put survives a power cut depends on whether the disk keeps what it has confirmed; the experiment "
        "reads back from a running machine. Cut power is simulated by tests of the project, not here.",
    ),
    run,
    needs="pictures and movies (`make demo-data`, or --media DIR), and 6 GB of free disk in full mode",
)
