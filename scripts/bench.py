"""Run the benchmarks, show their results and write docs/benchmarks.md.

Usage: python scripts/bench.py [--quick] [NAME ...]     NAME: `startup` for benchmarks/startup.py, default all

Each program in benchmarks/ (but those that begin with an underscore) prints JSON lines, one a result;
benchmarks/_measure.py says what is in them. At full size each writes its own part of docs/benchmarks.md; the other
parts stay as they are, with the dates of their runs. Exit code 1 if a result falls short or a benchmark fails.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import orjson
import psutil

import stat7

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "benchmarks.md"
LONGEST_SECONDS = 1800.0

HEAD = """# Benchmarks

Written by `make bench`; do not edit. Machines differ and are noisy, so look at the ratios: both sides of each were
measured in the same run, taking turns. `ratio` says how many times as good stat7 is as the baseline, or as the limit in
the last column; a result is ok when it is at least what is asked for. Each part is named for its program in
`benchmarks/` and says when it was run, and where.
"""

PART = """
## {name}

{date}, stat7 {version}; {machine}

| what | unit | stat7 | baseline | ratio | at least | | |
|---|---|---:|---:|---:|---:|---|---|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One result: figures in `unit`, the ratio asked for, and whether it was reached."""

    benchmark: str
    unit: str
    ours: float
    baseline: float | None
    ratio: float
    target: float
    ok: bool
    note: str = ""

    def cells(self) -> list[str]:
        """The row as texts, in the order of the table."""
        baseline = "" if self.baseline is None else figure(self.baseline)
        verdict = "ok" if self.ok else "short"
        return [
            self.benchmark,
            self.unit,
            figure(self.ours),
            baseline,
            figure(self.ratio),
            figure(self.target),
            verdict,
            self.note,
        ]


def parse_row(line: str) -> Row | None:
    """The result in a line of output, None if it holds none; raises ValueError for one that lacks a member."""
    if not line.startswith("{"):
        return None
    given: dict[str, Any] = json.loads(line)
    try:
        ratio, target = float(given["ratio"]), float(given["target"])
        baseline = None if given["baseline"] is None else float(given["baseline"])
        ok = bool(given.get("ok", ratio >= target))
        return Row(
            given["benchmark"], given["unit"], float(given["ours"]), baseline, ratio, target, ok, given.get("note", "")
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a result ({error!r}): {line[:200]}") from error


def figure(value: float) -> str:
    """A number for people: three significant digits, thousands apart (`0.912`, `24.6`, `131,000`)."""
    if value == 0 or abs(value) >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def run(program: Path, quick: bool) -> list[Row]:
    """Run one benchmark and give its results; raises ValueError if it fails, prints none or takes over half an hour."""
    command = [sys.executable, str(program), *(["--quick"] if quick else [])]
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", check=False, timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"stopped after {LONGEST_SECONDS:.0f} s") from None
    rows = [row for line in done.stdout.splitlines() if (row := parse_row(line))]
    if done.returncode != 0:
        raise ValueError(f"exit code {done.returncode}")
    if not rows:
        raise ValueError("printed no result")
    return rows


def machine() -> list[str]:
    """What the figures depend on, without anything that tells whose machine it is."""
    cores = f"{psutil.cpu_count(logical=True)} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory"
    versions = [
        f"Python {platform.python_version()}",
        f"SQLite {apsw.sqlite_lib_version()}",
        f"orjson {orjson.__version__}",
    ]
    return [f"{processor()}, {cores}, {platform.system()} on {platform.machine()}", ", ".join(versions)]


def processor() -> str:
    """The processor's model name, as far as the system tells."""
    try:
        if sys.platform == "darwin":
            return subprocess.check_output(["sysctl", "-n", "machdep.cpu.brand_string"], encoding="utf-8").strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except (OSError, subprocess.CalledProcessError):
        pass
    return platform.processor() or "unknown processor"


def part(name: str, rows: Iterable[Row], date: str) -> str:
    """What docs/benchmarks.md says of one benchmark."""
    head = PART.format(name=name, date=date, version=stat7.__version__, machine="; ".join(machine()))
    return head + "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells()) + " |\n" for row in rows)


def write_page(new: Mapping[str, str]) -> None:
    """Put parts into docs/benchmarks.md, in place of those of the same names."""
    old = PAGE.read_text("utf-8") if PAGE.exists() else ""
    kept = re.split(r"^## (\w+)\n", old, flags=re.MULTILINE)[1:]
    old_parts = {name: f"\n## {name}\n{text.rstrip()}\n" for name, text in zip(kept[::2], kept[1::2], strict=True)}
    parts = {**old_parts, **new}
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(HEAD + "".join(parts[name] for name in sorted(parts)), "utf-8", newline="\n")
    print(f"written: {PAGE.relative_to(ROOT).as_posix()}")


def show(rows: Sequence[Row]) -> None:
    """Print the results as a table."""
    table = [["benchmark", "unit", "stat7", "baseline", "ratio", "at least", "", ""], *(row.cells() for row in rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(7)]
    for cells in table:
        left = [cells[column].ljust(widths[column]) for column in (0, 1)]
        right = [cells[column].rjust(widths[column]) for column in range(2, 6)]
        print("  ".join([*left, *right, cells[6].ljust(widths[6]), cells[7]]).rstrip())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description="Run the benchmarks and write docs/benchmarks.md.")
    parser.add_argument("--quick", action="store_true", help="smaller, for a look; docs/benchmarks.md stays as it is")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which: `startup` for benchmarks/startup.py; default all"
    )
    asked = parser.parse_args(arguments)
    known = {path.stem: path for path in sorted(FOLDER.glob("[!_]*.py"))}
    if unknown := [name for name in asked.names if name not in known]:
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(known)}")
    rows: list[Row] = []
    parts: dict[str, str] = {}
    failed = False
    for name in asked.names or known:
        started = time.monotonic()
        print(f"{name} …", end=" ", flush=True, file=sys.stderr)
        try:
            found = run(known[name], asked.quick)
            rows += found
            parts[name] = part(name, found, datetime.now(UTC).date().isoformat())
            print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
        except ValueError as error:
            failed = True
            print(f"failed: {error}", file=sys.stderr)
    show(rows)
    if parts and not asked.quick:
        write_page(parts)
    return 1 if failed or not all(row.ok for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
