"""Where an experiment keeps what it stores, how it tidies up there, and how much it moves in a second."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stat7.registry import anchored, configure_files, redact
from stat7.registry.urls import InMemory
from stat7.stress.context import SILENCE, Context
from stat7.stress.experiments import Findings, Lacking
from stat7.stress.housing import Given
from stat7.stress.measure import BLOCKS, bootstrap
from stat7.stress.media import Library, gather, keep, paint
from stat7.stress.results import Figure, TestResult, worst_of
from stat7.stress.subject import Location
from stat7.stress.tasks.files import Drop
from stat7.stress.workers import WorkerFailed, run_together

SPARE: Final = 500_000_000
"""Bytes of disk that are left free."""

_CHECKOUT: Final = Path(__file__).resolve().parents[4]
_DEMO_DATA: Final = Path("build") / "demo-data"


@contextmanager
def room(context: Context, name: str) -> Iterator[Location]:
    """The store and the files of an experiment: those that were given, else an SQLite file and a folder of its own,
    removed in the end. Where a store was given without files, or with files in memory, the files are in the folder.
    """
    folder = context.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    own = anchored("file:files", folder)
    try:
        if isinstance(context.housing, Given):
            given = context.housing.location
            yield Location(given.store, own if isinstance(configure_files(given.files), InMemory) else given.files)
        else:
            yield Location(anchored("sqlite:store.db", folder), own)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_ours(context: Context, location: Location) -> bool:
    """Whether the files go with the folder of the run."""
    path = location.files.partition(":")[2]
    return location.files.startswith("file:") and Path(path).is_relative_to(context.folder)


def drop(context: Context, location: Location, digests: Sequence[bytes]) -> None:
    """Erase files (digests of 32 bytes each, joined) from a store of files that isn't ours; what can't be is a cut."""
    if is_ours(context, location) or not any(digests):
        return
    try:
        run_together([Drop(location, tuple(digests))], seconds=SILENCE)
    except WorkerFailed as error:
        context.budget.cuts.append(f"files of this run may be left in {redact(location.files)}: {error}")


def media_folder(context: Context) -> Path:
    """The folder of pictures and movies to make files from: as given, else the checkout's. Raises Lacking."""
    if context.media is not None:
        return context.media
    for place in (_CHECKOUT / _DEMO_DATA, Path.cwd() / _DEMO_DATA):
        if (place / "complete").exists():
            return place
    raise Lacking(
        "needs real pictures and movies: run `make demo-data` in a checkout of stat7, or name a folder of your own "
        "with JPEG, PNG or GIF pictures and MP4 movies by --media DIR"
    )


def painted(context: Context) -> Context:
    """The same run with files made of painted pictures: for trials of the harness itself."""
    folder = context.folder / "painted"
    if not folder.exists():
        paint(folder)
    return replace(context, media=folder)


def worst(findings: Findings, name: str = "") -> TestResult:
    """The test with the worst verdict, of those of this name if one is given."""
    named = [test for test in findings.tests if name in ("", test.name)]
    verdict = worst_of(test.verdict for test in named)
    return next(test for test in named if test.verdict is verdict)


@contextmanager
def library(context: Context) -> Iterator[Library]:
    """Distinct files without end, their seeds in a folder that is removed at last. Raises Lacking and ConfigError."""
    source, folder = media_folder(context), context.folder / "seeds"
    try:
        keep(gather(source), folder)
        yield Library(folder, context.workload.seed, context.workload.prefix)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_disk(folder: Path, needed: int) -> None:
    """Raises Lacking unless so many bytes, and some to spare, are free in a folder's file system."""
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise Lacking(
            f"needs {(needed + SPARE) / 1e9:.1f} GB of free disk for temporary files, there are {free / 1e9:.1f} GB; "
            "point TMPDIR at a larger disk"
        )


Amounts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Of one worker's operations: when each ended (ns from the start), and how many bytes it moved."""


def throughput(workers: Sequence[Amounts]) -> Figure:
    """Megabytes (10^6) per second of all workers together, until the first ran out of work; the interval by bootstrap
    over BLOCKS equal blocks of that time.
    """
    last = min((int(ends[-1]) for ends, _ in workers if len(ends)), default=0)
    moved = sum(len(ends) for ends, _ in workers)
    if not last:
        return Figure(None, "MB/s", moved)
    width = last / BLOCKS
    blocks = np.zeros(BLOCKS)
    for ends, sizes in workers:
        kept = ends <= last
        at = np.clip(np.ceil(ends[kept] / width).astype(np.int64) - 1, 0, BLOCKS - 1)
        blocks += np.bincount(at, weights=sizes[kept], minlength=BLOCKS)
    rates = blocks / width * 1e3  # bytes per ns are GB/s
    return Figure(float(rates.mean()), "MB/s", moved, bootstrap(rates.tolist()))
