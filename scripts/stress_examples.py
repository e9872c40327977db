"""The example reports of docs/stress: real runs on real engines, each in a folder of its own.

Usage: python scripts/stress_examples.py [quick] [full] [postgresql] [cluster]

Without a name all of them are made, which takes some twenty minutes. The servers are started on loopback, by what
`make servers` installed, and stopped again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import stat7
from stat7.testing.servers import Cassandra, PostgreSQL

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "docs" / "stress"

FINE: Final = (0, 1, 7)
"""Exit codes of runs that came to their end, whatever their verdicts."""


@contextmanager
def _postgresql() -> Iterator[str]:
    with PostgreSQL() as server:
        yield server.create_database()


@contextmanager
def _cluster() -> Iterator[str]:
    with Cassandra(nodes=3) as cluster:
        yield f"cassandra://{','.join(cluster.contact_points)}:{cluster.port}/{cluster.keyspace()}?replication=3"


RUNS: Final[dict[str, tuple[list[str], Callable[[], AbstractContextManager[str | None]]]]] = {
    "quick": (["--quick"], nullcontext),
    "full": (["--full"], nullcontext),
    "postgresql": (["--quick"], _postgresql),
    "cluster": (["--scales", "1K,5K"], _cluster),
}


def make(name: str) -> bool:
    """Make one example anew; whether it could be."""
    options, store = RUNS[name]
    with tempfile.TemporaryDirectory() as folder, store() as url:
        words = [sys.executable, "-m", "stat7"]
        if url is not None:
            stat7.open(url, files="memory:").close()
            options = [*options, "--store", url]
        # There, and not by --output, so that the command in the report names no folder of this machine.
        done = subprocess.run([*words, "stress", *options, "--no-report"], cwd=folder, check=False)
        found = list(Path(folder).glob("STRESS_TEST_RESULTS_*.json"))
        if done.returncode not in FINE or not found:
            print(f"{name}: the run ended with exit code {done.returncode}", file=sys.stderr)
            return False
        target = EXAMPLES / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        results = shutil.copy(found[0], target / "results.json")
        subprocess.run([*words, "stress", "report", results], check=True)
    return True


def main(names: list[str]) -> int:
    """Make the examples of these names, or all."""
    unknown = [name for name in names if name not in RUNS]
    if unknown:
        print(f"there is no example {unknown[0]}; choose from {', '.join(RUNS)}", file=sys.stderr)
        return 2
    made = [make(name) for name in names or RUNS]
    return 0 if all(made) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
