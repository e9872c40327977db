"""What a repository holds, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from stat7.coordinates import HORIZONS
from stat7.errors import Corrupt
from stat7.files.base import StoredFile
from stat7.paging import DOCUMENTS, NAMES, walk
from stat7.repository import Repository
from stat7.stored import read_stored

SAMPLE: Final = 2000
"""Documents that the shares of realms and horizons are estimated from: exact while there are no more."""


def stats(repo: Repository) -> dict[str, Any]:
    """Counts of entities (all versions), heads, files and their bytes, disk use, and about how many are in each realm
    and horizon. JSON-able; sizes in bytes, None where a store can't tell.

    `sampled` is the number of documents behind the figures of `realms` and `horizons`; where it is less than `entities`
    they are estimates: a scan goes by hashes, so what comes first is a random sample.
    """
    return {
        **overview(repo),
        "heads": sum(len(page.items) for page in walk(repo.store.scan_heads, NAMES)),
        "files": _files(repo),
        "disk_bytes": {"store": _disk_bytes(repo.store), "files": _disk_bytes(repo.files)},
    }


def overview(repo: Repository) -> dict[str, Any]:
    """The part of `stats` for which not everything has to be walked through."""
    shards: dict[str, int] = getattr(repo.store, "shard_counts", dict)()
    entities = sum(shards.values()) if shards else repo.store.count()
    realms, horizons = _sample(repo)
    sampled = sum(realms.values())
    scale = max(entities, sampled) / sampled if sampled else 0.0
    return {
        "entities": entities,
        **({"shards": shards} if shards else {}),
        "realms": {name: round(count * scale) for name, count in realms.most_common()},
        "horizons": {name: round(horizons[name] * scale) for name in HORIZONS if name in horizons},
        "sampled": sampled,
        "kinds": {"store": repo.store.capabilities.name, "files": repo.files.name},
    }


def _sample(repo: Repository) -> tuple[Counter[str], Counter[str]]:
    realms: Counter[str] = Counter()
    horizons: Counter[str] = Counter()
    for page in walk(repo.store.scan, DOCUMENTS):
        for address, held in page.items:
            if isinstance(held, bytes):
                try:
                    record = read_stored(address, held)
                except Corrupt:
                    # For verify to tell.
                    continue
                realms[record.realm] += 1
                horizons[HORIZONS[record.horizon]] += 1
        if realms.total() >= SAMPLE:
            break
    return realms, horizons


def _files(repo: Repository) -> dict[str, int]:
    counts = {"stored": 0, "bytes": 0, "withdrawn": 0}
    for page in walk(repo.files.scan, NAMES):
        for item in page.items:
            if isinstance(item, StoredFile):
                counts["stored"] += 1
                counts["bytes"] += item.size
            else:
                counts["withdrawn"] += 1
    return counts


def _disk_bytes(part: object) -> int | None:
    ask = getattr(part, "disk_bytes", None)
    size = ask() if ask is not None else None
    return size if isinstance(size, int) else None
