"""Files of 64 MiB: stored durably and read verified, against the plain way to do the same with hashlib.

Run as `python benchmarks/files.py`. Prints one JSON line per row. Both sides take turns in one run, each as often first
as second; the figures are medians, and the ratio is the median of the ratios of each two turns next to one another,
which what else the machine does disturbs least. The plain put fsyncs the file and renames it, but not its folder; the
plain get reads and hashes, nothing else.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _measure import MEGABYTE, options, report

from stat7.files.base import CHUNK
from stat7.files.local import LocalFiles

SIZE = 64 * CHUNK
"""Bytes of the file."""
ROUNDS = 21
"""Turns of each side; the first is not counted."""
TARGET = 0.9
"""Least ratio of our speed to the plain one."""


def plain_put(source: Path, target: Path) -> str:
    """Copy a file through a temporary one, hashing it on the way; returns its SHA-256."""
    taken = hashlib.sha256()
    temporary = target.with_suffix(".part")
    with source.open("rb") as file, temporary.open("wb") as copy:
        while piece := file.read(CHUNK):
            taken.update(piece)
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())
    temporary.replace(target)
    return taken.hexdigest()


def plain_get(source: Path) -> str:
    """Read a file whole, hashing it; returns its SHA-256."""
    taken = hashlib.sha256()
    with source.open("rb") as file:
        while piece := file.read(CHUNK):
            taken.update(piece)
    return taken.hexdigest()


def get(store: LocalFiles, sha256: str) -> int:
    """Read a stored file whole; returns its size."""
    return sum(map(len, store.open(sha256)))


def seconds(work: Callable[[], object], expected: object) -> float:
    """How long `work` takes, begun when the disk is quiet; its result must be the expected one."""
    # What others left to be written would be charged to whoever calls fsync first.
    if hasattr(os, "sync"):
        os.sync()
    start = time.perf_counter()
    result = work()
    spent = time.perf_counter() - start
    if result != expected:
        raise RuntimeError(f"the benchmark gave {result}, not {expected}")
    return spent


def judge(name: str, ours: list[float], plain: list[float]) -> None:
    """Report one benchmark from the seconds of each turn."""
    mine, theirs = (SIZE / statistics.median(turns[1:]) / MEGABYTE for turns in (ours, plain))
    ratio = statistics.median(other / own for own, other in zip(ours[1:], plain[1:], strict=True))
    report(
        name, "MB/s", ours=mine, baseline=theirs, ratio=ratio, target=TARGET, note=f"median of {len(ours) - 1} turns"
    )


def main() -> None:
    """Run both rows in a folder of its own."""
    rounds = 5 if options(__doc__).quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        source, copy = Path(folder, "source"), Path(folder, "copy")
        source.write_bytes(os.urandom(SIZE))
        store = LocalFiles(Path(folder, "store"))
        name = plain_put(source, copy)
        puts: tuple[list[float], list[float]] = ([], [])
        gets: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds):
            store.delete([name])
            copy.unlink()
            turns: list[tuple[list[float], Callable[[], object], object]] = [
                (puts[0], lambda: store.put(source).sha256, name),
                (puts[1], lambda: plain_put(source, copy), name),
                (gets[0], lambda: get(store, name), SIZE),
                (gets[1], lambda: plain_get(copy), name),
            ]
            order = (1, 0, 3, 2) if number % 2 else (0, 1, 2, 3)
            for taken, work, expected in (turns[at] for at in order):
                taken.append(seconds(work, expected))
        judge("file put 64 MiB, against plain write, fsync, rename and hashlib", *puts)
        judge("file get 64 MiB, against plain read and hashlib", *gets)


if __name__ == "__main__":
    main()
