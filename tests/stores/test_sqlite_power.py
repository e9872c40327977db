"""A power cut at any moment while two writers share the log: what was acknowledged before it is there afterwards.

A virtual file system below SQLite notes every write and sync. A cut keeps of each file what was written before its last
sync began, and of everything later whichever sectors chance picks: no disk does worse, save by breaking its promises.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

from stat7.fsync import fsync_data
from stat7.stores.base import HeadMove
from stat7.stores.sqlite import SQLiteStore, connection, log
from stat7.testing.samples import sample

SECTOR: Final = 512
PUTS: Final = 60
CUTS: Final = 40


class Recording(apsw.VFS):
    """The system's own file system, with a list of what happens to the database and its log."""

    def __init__(self, below: str) -> None:
        self.name = "recording"
        self.events: list[tuple[Any, ...]] = []
        self._below = below
        super().__init__(self.name, below)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return RecordedFile(self.events, self._below, name, flags)

    def synced(self, name: str, before: int) -> None:
        """Note that of a file all events before number `before` are safe."""
        self.events.append(("sync", name, before))


class RecordedFile(apsw.VFSFile):
    """One open file, whose writes are noted before they are done and whose syncs once they are."""

    def __init__(self, events: list[tuple[Any, ...]], below: str, name: Any, flags: list[int]) -> None:
        super().__init__(below, name, flags)
        self._events = events
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path).name if path else ""

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._events.append(("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._events.append(("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        before = len(self._events)
        super().xSync(flags)
        self._events.append(("sync", self._name, before))


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """Everything that SQLite and the log sync do from here on, in its order."""
    default = apsw.vfs_names()[0]
    vfs = Recording(default)
    apsw.set_default_vfs(vfs.name)
    real = fsync_data

    def noted(descriptor: int) -> None:
        before = len(vfs.events)
        real(descriptor)
        vfs.synced("store.db-wal", before)

    monkeypatch.setattr(log, "fsync_data", noted)
    yield vfs
    apsw.set_default_vfs(default)
    vfs.unregister()


def _run(path: Path, events: list[tuple[Any, ...]]) -> None:
    """Put from two writers of one file, noting each put once it is acknowledged."""

    def put_all(store: SQLiteStore, name: str) -> None:
        for number in range(PUTS):
            record = sample(f"{name}/{number}")
            store.put([record], [HeadMove(record.id, None, record.address)])
            events.append(("acknowledged", record.id, record.address))

    with SQLiteStore(path) as one, SQLiteStore(path) as two:
        writers = [threading.Thread(target=put_all, args=(store, name)) for store, name in ((one, "a"), (two, "b"))]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()


def _after_cut(events: list[tuple[Any, ...]], chance: random.Random) -> dict[str, bytes]:
    """What the disk may hold of each file if the power fails after these events."""
    safe: dict[str, int] = {}
    for event in events:
        if event[0] == "sync":
            safe[event[1]] = max(safe.get(event[1], 0), event[2])
    disk: dict[str, bytearray] = {}
    for number, event in enumerate(events):
        if event[0] not in ("write", "truncate"):
            continue
        kind, name, offset, *rest = event
        content = disk.setdefault(name, bytearray())
        certain = number < safe.get(name, 0)
        if kind == "truncate":
            if certain or chance.random() < 0.5:
                del content[offset:]
            continue
        for at in range(0, len(rest[0]), SECTOR):
            if certain or chance.random() < 0.5:
                sector = rest[0][at : at + SECTOR]
                content.extend(bytes(max(0, offset + at + len(sector) - len(content))))
                content[offset + at : offset + at + len(sector)] = sector
    return {name: bytes(content) for name, content in disk.items()}


def _lost(folder: Path, events: list[tuple[Any, ...]], chance: random.Random) -> int:
    """Cut the power after these events, and count the acknowledged puts that the store opened then lacks."""
    folder.mkdir()
    for name, content in _after_cut(events, chance).items():
        if name in ("store.db", "store.db-wal"):
            (folder / name).write_bytes(content)
    acknowledged = {event[1]: event[2] for event in events if event[0] == "acknowledged"}
    with SQLiteStore(folder / "store.db") as store:
        assert store.heads(list(acknowledged)).items() <= acknowledged.items()
        whole = store.heads(list(acknowledged)).keys() & {
            id for id, address in acknowledged.items() if address in store.has([address])
        }
    return len(acknowledged.keys() - whole)


def _losses(tmp_path: Path, recording: Recording) -> int:
    """Of one run, the puts lost in CUTS power cuts at random moments after the store was made."""
    _run(tmp_path / "store.db", recording.events)
    events = list(recording.events)
    chance = random.Random(5)
    first = next(number for number, event in enumerate(events) if event[0] == "acknowledged")
    moments = sorted(chance.sample(range(first, len(events)), CUTS))
    return sum(_lost(tmp_path / f"cut{moment}", events[:moment], chance) for moment in moments)


@pytest.mark.parametrize("pages", [16_000, 20], ids=["log kept", "log often copied back and begun anew"])
def test_a_power_cut_takes_nothing_that_was_acknowledged(
    tmp_path: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    monkeypatch.setattr(connection, "CHECKPOINT_PAGES", pages)
    assert _losses(tmp_path, recording) == 0


def test_this_would_notice_a_log_that_is_never_synced(
    tmp_path: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "fsync_data", lambda descriptor: None)
    assert _losses(tmp_path, recording) > 0


def test_this_would_notice_a_sync_that_answers_for_later_commits(
    tmp_path: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = log.Log._counts
    # A sync that is under way already counts as one that has begun after the commit.
    monkeypatch.setattr(log.Log, "_counts", lambda self: counts(self)._replace(begun=max(0, counts(self).begun - 1)))
    assert _losses(tmp_path, recording) > 0
