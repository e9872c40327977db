"""How long the command line takes to start: `stat7 --help` and `stat7 get` against a Python that does nothing.

The interpreter's own start is the baseline; what stat7 adds must stay within 150 ms for --help and 250 ms for get.
A start does the same work every time, so the fastest of many rounds is what it costs; the others tell what else the
machine did meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _measure import clean_environment, options, report_at_most, take_turns

ENTITY = (
    '{"stat7":1,"id":"startup","entity_type":"thing","created_at":null,"coordinates":{"realm":"data","lineage":0,'
    '"adjacency":[],"horizon":"genesis","resonance":0,"velocity":0,"density":0},"state":{},"files":[],"previous":null}'
)
LIMITS_MS = {"stat7 --help": 150.0, "stat7 get": 250.0}


def command() -> list[str]:
    """The installed `stat7` beside this Python, else the module."""
    script = Path(sys.executable).with_name("stat7.exe" if os.name == "nt" else "stat7")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "stat7"]


def job(arguments: list[str], folder: Path, environment: dict[str, str]) -> Callable[[], object]:
    """A command as something to time: fails loudly, prints nothing."""
    return partial(
        subprocess.run,
        arguments,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def main() -> None:
    """Print the two results, in milliseconds."""
    rounds = 7 if options(__doc__).quick else 31
    environment = clean_environment()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "entity.json").write_text(ENTITY, "utf-8")
        put = [*command(), "put", "entity.json"]
        address = (
            subprocess.run(put, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        )
        commands = [[sys.executable, "-c", "pass"], [*command(), "--help"], [*command(), "get", address]]
        idle, *others = take_turns([job(each, folder, environment) for each in commands], rounds, warm_up=2)
    baseline = min(idle) * 1000
    note = f"baseline: python -c pass; fastest of {rounds}"
    for (benchmark, limit), times in zip(LIMITS_MS.items(), others, strict=True):
        report_at_most(benchmark, "ms", ours=min(times) * 1000, baseline=baseline, limit=limit, note=note)


if __name__ == "__main__":
    main()
