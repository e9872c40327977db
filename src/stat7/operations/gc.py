"""Garbage collection: delete files that no stored document names, once they are old enough that nobody is about to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from stat7.errors import ConfigError
from stat7.files.base import StoredFile
from stat7.paging import NAMES, walk
from stat7.progress import Report, silent
from stat7.repository import Repository

DEFAULT_GRACE_MS: Final = 7 * 24 * 3600 * 1000
"""How old an unnamed file must be, as a rule."""

LEAST_GRACE_MS: Final = 2 * 24 * 3600 * 1000
"""With less, a put that found its file a day old (and so didn't renew it) might lose it before it is done."""


@dataclass(slots=True)
class GcResult:
    """Files looked at, deleted (or, in a dry run, to be deleted) and their bytes; leftovers swept; bytes compacted."""

    files: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    leftovers: int = 0
    compacted_bytes: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by their names."""
        return asdict(self)


def collect(
    repo: Repository,
    *,
    grace_ms: int = DEFAULT_GRACE_MS,
    dry_run: bool = False,
    offline: bool = False,
    compact: bool = False,
    on_file: Callable[[StoredFile], None] = lambda file: None,
    report: Report = silent,
) -> GcResult:
    """Delete files that no stored document names and whose time is older than `grace_ms`, in constant memory.

    A grace under two days raises ConfigError unless `offline` says that nothing else writes. Leftovers of interrupted
    puts older than the grace go too. `dry_run` changes nothing. `compact` gives freed space back to the disk, and
    erases what withdrawn documents left there.
    """
    if grace_ms < 0:
        raise ConfigError(f"--grace: {grace_ms} ms: must not be negative")
    if grace_ms < LEAST_GRACE_MS and not offline:
        raise ConfigError("--grace: under 2d is safe only with --offline, while nothing else writes to this repository")
    result = GcResult()
    older_than = repo.now_ms() - grace_ms
    for page in walk(repo.files.scan, NAMES):
        files = [item for item in page.items if isinstance(item, StoredFile)]
        for file in _collected(repo, files, older_than, dry_run):
            result.deleted += 1
            result.deleted_bytes += file.size
            on_file(file)
        result.files += len(files)
        report("files", result.files, None)
    if not dry_run:
        result.leftovers = repo.files.sweep(older_than)
        if compact:
            result.compacted_bytes = repo.store.compact()
    return result


def _collected(repo: Repository, files: list[StoredFile], older_than: int, dry_run: bool) -> list[StoredFile]:
    """Those of the files that nothing names, deleted unless this is a dry run."""
    old = [file for file in files if file.stored_at < older_than]
    named = repo.store.named_files([file.sha256 for file in old]) if old else set()
    unnamed = [file for file in old if file.sha256 not in named]
    if dry_run or not unnamed:
        return unnamed
    # The store looks at the time again just before: a put that is about to name one of these has renewed it.
    deleted = repo.files.delete([file.sha256 for file in unnamed], older_than)
    return [file for file in unnamed if file.sha256 in deleted]
