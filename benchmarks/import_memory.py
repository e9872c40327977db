"""How much memory `stat7 import entities` needs for a million entities: at most 300 MB, for it streams.

Anonymous memory of the importing process is what counts: pages of the store's own file can be dropped at any time.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

import orjson
from _measure import MEGABYTE, clean_environment, options, report_at_most, run_child

from stat7.coordinates import HORIZONS

LIMIT_MB = 300.0
REALMS = ("data", "narrative", "system", "faculty", "event", "pattern", "void")


def write_entities(path: Path, count: int) -> None:
    """Write `count` different entities, one a line, about 450 bytes each; the same for the same count."""
    chance = random.Random(7)
    with path.open("wb") as file:
        for number in range(count):
            file.write(orjson.dumps(entity(number, chance), option=orjson.OPT_APPEND_NEWLINE))


def entity(number: int, chance: random.Random) -> dict[str, object]:
    """One entity with up to six earlier ones as neighbours."""
    neighbours = {f"thing/{chance.randrange(number + 1)}" for _ in range(chance.randrange(7))}
    coordinates = {
        "realm": chance.choice(REALMS),
        "lineage": chance.randrange(60),
        "adjacency": sorted(neighbours),
        "horizon": chance.choice(list(HORIZONS)),
        "resonance": round(chance.uniform(-1, 1), 6),
        "velocity": round(chance.uniform(-1, 1), 6),
        "density": round(chance.random(), 6),
    }
    return {
        "stat7": 1,
        "id": f"thing/{number}",
        "entity_type": "thing",
        "created_at": "2026-01-31T12:00:00.000Z",
        "coordinates": coordinates,
        "state": {"name": f"Thing number {number}", "score": chance.randrange(10**6), "tags": ["a", "b"]},
        "files": [],
        "previous": None,
    }


def main() -> None:
    """Print the result, in megabytes (10^6 bytes)."""
    count = 50_000 if options(__doc__).quick else 1_000_000
    environment = clean_environment()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_entities(folder / "entities.ndjson", count)
        child = run_child(
            [sys.executable, "-m", "stat7", "import", "entities", "entities.ndjson", "--json"],
            folder=folder,
            environment=environment,
        )
    if child.code != 0 or json.loads(child.output.splitlines()[-1])["new"] != count:
        sys.exit(f"import_memory: the import ended with exit code {child.code} and printed {child.output[-500:]!r}")
    note = f"peak {child.measure} for {count:,} entities, {count / child.seconds:,.0f} a second"
    report_at_most("import, peak memory", "MB", ours=child.peak_bytes / MEGABYTE, limit=LIMIT_MB, note=note)


if __name__ == "__main__":
    main()
