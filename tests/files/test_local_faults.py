"""LocalFiles when the disk, the folder or another process gets in the way: at the moments that matter."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stat7.address import digest
from stat7.errors import ConfigError, Corrupt, Gone, Stat7Error, StoreFull, Unavailable
from stat7.files.base import CHUNK, StoredFile
from stat7.files.durable import TemporaryFile
from stat7.files.local import LocalFiles
from stat7.files.notices import encode_notice
from stat7.testing.file_suite import FAR_FUTURE, content, read, scan_files
from stat7.testing.samples import notice
from tests.files.below import BIG, beside, names_in, path_of


@pytest.fixture
def store(tmp_path: Path) -> LocalFiles:
    """A fresh store."""
    return LocalFiles(tmp_path / "files")


# What stands in place of a file, or can't be read.


@pytest.mark.parametrize("kind", ["folder", "full folder", "pipe", "link to a folder", "link to itself"])
def test_what_is_no_file_is_corrupt_and_can_be_mended(store: LocalFiles, tmp_path: Path, kind: str) -> None:
    name = store.put(b"x").sha256
    path = path_of(store, name)

    def spoil() -> None:
        path.unlink()
        if kind == "pipe":
            if not hasattr(os, "mkfifo"):
                pytest.skip("this system has no named pipes")
            os.mkfifo(path)
        elif kind.startswith("link"):
            try:
                path.symlink_to(path if kind == "link to itself" else tmp_path)
            except OSError:
                pytest.skip("this user may not make links")
        else:
            path.mkdir()
            if kind == "full folder":
                (path / "inside").write_text("inside")

    mends: list[Callable[[], object]] = [
        lambda: store.put(b"x"),
        lambda: store.put(b"x", sha256=name),
        lambda: store.replace(name, b"x"),
    ]
    for mend in mends:
        spoil()
        with pytest.raises(Corrupt, match="can't be read"):
            store.open(name)
        mend()
        assert read(store, name) == b"x"
    spoil()
    assert store.delete([name]) == {name}
    assert scan_files(store) == []
    store.put(b"x")
    spoil()
    store.withdraw([notice(name)])
    assert not path.exists()


@pytest.mark.parametrize(("code", "error"), [(5, Corrupt), (13, Corrupt), (24, Unavailable)])
def test_an_error_on_opening_says_what_it_means(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Stat7Error]
) -> None:
    name = store.put(b"x").sha256

    def fail(path: str, *_: object) -> int:
        raise OSError(code, os.strerror(code), path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        with pytest.raises(error):
            store.open(name)
        with pytest.raises(Stat7Error):
            store.put(b"x", sha256=name)
    store.put(b"x", sha256=name)


def test_a_folder_out_of_reach_is_a_matter_of_rights_not_of_damage(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = store.put(b"x").sha256

    def fail(path: str, *_: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", fail)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigError, match="right to read and write"):
        store.open(name)


def test_a_disk_error_while_reading_is_corrupt(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    data = content(BIG)
    name = store.put(data).sha256

    class Failing(io.FileIO):
        """An open file on a disk with one bad place, after the first chunk."""

        def read(self, size: int | None = -1, /) -> bytes:
            """Fails beyond the first chunk."""
            if self.tell() >= CHUNK:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with monkeypatch.context() as patch:
        patch.setattr(io, "FileIO", Failing)
        pieces = store.open(name, 0, CHUNK + 1)
        with pytest.raises(Corrupt, match="Input/output error"):
            list(pieces)
        stored = store.put(data, sha256=name)
    assert stored.size == BIG
    assert read(store, name) == data


# Errors while storing.


@pytest.mark.parametrize(
    ("call", "code", "error"),
    [("fsync", 5, Unavailable), ("replace", 28, StoreFull), ("fsync", 122, StoreFull), ("replace", 30, ConfigError)],
)
def test_an_error_while_storing_leaves_nothing(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch, call: str, code: int, error: type[Stat7Error]
) -> None:
    store.put(b"before")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    for data in (b"x", content(BIG)):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(error) as caught:
                store.put(data)
        assert "\n" not in str(caught.value)
        assert store.stat([digest(data)]) == {}
        assert store.sweep(FAR_FUTURE) == 0
        assert store.put(data).size == len(data)


def test_a_write_cut_short_is_continued(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(io.FileIO):
        """An open file that takes a few bytes at a time."""

        def write(self, data: object, /) -> int:
            """At most 100,001 bytes."""
            return super().write(memoryview(data)[:100_001])  # type: ignore[arg-type]

    monkeypatch.setattr(io, "FileIO", Short)
    data = content(BIG)
    assert read(store, store.put(data).sha256) == data


def test_a_put_swept_away_while_it_runs_says_so(store: LocalFiles) -> None:
    def source() -> Iterator[bytes]:
        yield content(BIG)
        assert store.sweep(FAR_FUTURE) == 1

    with pytest.raises(Unavailable, match="swept away"):
        store.put(source())
    assert store.stat([digest(content(BIG))]) == {}


@pytest.mark.parametrize("sound", [True, False])
def test_a_name_that_a_reader_holds_fast_keeps_its_bytes_if_they_are_sound(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch, sound: bool
) -> None:
    name = store.put(b"x").sha256
    os.utime(path_of(store, name), (1, 1))
    if not sound:
        path_of(store, name).write_bytes(b"y")

    def fail(*_: object) -> None:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(os, "replace", fail)
    if sound:
        store.put(b"x")
        found = store.stat([name])[name]
        assert isinstance(found, StoredFile)
        assert found.stored_at > 1000
    else:
        with pytest.raises(ConfigError):
            store.put(b"x")
    assert store.sweep(FAR_FUTURE) == 0


def test_a_refused_rename_with_nothing_stored_is_a_matter_of_rights(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ConfigError, match="right to read and write"):
        store.put(b"x")


# Races that need a certain moment.


def test_a_file_cut_while_it_is_read_is_corrupt(store: LocalFiles) -> None:
    name = store.put(content(BIG)).sha256
    pieces = store.open(name)
    os.truncate(path_of(store, name), CHUNK + 5)
    with pytest.raises(Corrupt):
        list(pieces)


def test_a_file_erased_after_its_folder_was_listed_is_not_scanned(store: LocalFiles) -> None:
    name = store.put(b"x").sha256
    names = sorted([name, *(f"{name[:2]}{number:062x}" for number in range(5))])
    for each in names:
        path_of(store, each).touch()
    page = store.scan(None, 2)
    store.delete([names[3]])
    rest = store.scan(page.cursor, 100)
    found = [item.sha256 for item in (*page.items, *rest.items) if isinstance(item, StoredFile)]
    assert found == [*names[:3], *names[4:]]


def test_two_sweeps_at_once_do_each_other_no_harm(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(b"x")
    (store.folder / "incoming-0123456789abcdef").touch()
    real = os.listdir

    def listdir(path: str) -> list[str]:
        names = real(path)
        for name in names:
            if name.startswith("incoming-"):
                os.unlink(os.path.join(path, name))
        return names

    monkeypatch.setattr(os, "listdir", listdir)
    assert store.sweep(FAR_FUTURE) == 0


def test_a_file_renewed_between_looking_and_erasing_is_kept(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.put(content(BIG)).sha256
    os.utime(path_of(store, name), (1, 1))
    real = os.replace

    def replace(source: str, target: str) -> None:
        if source == str(path_of(store, name)):
            os.utime(source)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    assert store.delete([name], older_than=2000) == set()
    assert read(store, name, CHUNK, CHUNK + 1) == content(BIG)[CHUNK : CHUNK + 1]
    assert store.sweep(FAR_FUTURE) == 0


def test_a_file_erased_between_looking_and_erasing_is_no_error(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = store.put(b"x").sha256
    real = os.replace

    def replace(source: str, target: str) -> None:
        path_of(store, name).unlink()
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    assert store.delete([name], older_than=FAR_FUTURE) == set()


class Killed(Exception):
    """What ends a collection in these tests."""


def killed_aside(store: LocalFiles, monkeypatch: pytest.MonkeyPatch, data: bytes) -> str:
    """Store bytes that a put renews, and is acknowledged, just before gc moves them aside and is killed."""
    name = store.put(data).sha256
    os.utime(path_of(store, name), (1, 1))
    real = os.replace

    def replace(source: str, target: str) -> None:
        if source != str(path_of(store, name)):
            raise Killed
        assert store.refresh([name]) == {name}
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(Killed):
            store.delete([name], older_than=2000)
    assert not path_of(store, name).exists()
    return name


USES: dict[str, Callable[[LocalFiles, str], object]] = {
    "sweep": lambda store, name: store.sweep(FAR_FUTURE),
    "stat": lambda store, name: store.stat([name]),
    "open": lambda store, name: list(store.open(name, CHUNK, CHUNK + 1)),
    "refresh": lambda store, name: store.refresh([name]),
    "put": lambda store, name: store.put(content(BIG), sha256=name),
}


@pytest.mark.parametrize("use", USES)
def test_a_file_that_a_killed_collection_moved_aside_comes_back(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    name = killed_aside(store, monkeypatch, content(BIG))
    USES[use](store, name)
    assert scan_files(store) == list(store.stat([name]).values())
    assert read(store, name) == content(BIG)
    assert read(store, name, CHUNK, CHUNK + 1) == content(BIG)[CHUNK : CHUNK + 1]
    assert store.sweep(FAR_FUTURE) == 0
    assert names_in(path_of(store, name).parent) == [name, f"{name}.chunks"]


@pytest.mark.parametrize("at", ["before it is looked for", "before it is given back"])
def test_a_file_that_others_give_back_at_the_same_time_is_there(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    name = killed_aside(store, monkeypatch, b"x")
    function = "access" if at == "before it is looked for" else "link"
    real = getattr(os, function)

    def late(first: str, *rest: object) -> object:
        monkeypatch.setattr(os, function, real)
        assert LocalFiles(store.folder).refresh([name]) == {name}
        return real(first, *rest)

    def stat(path: str) -> os.stat_result:
        # The first look comes before the others are done, the second thereafter.
        monkeypatch.setattr(os, "stat", real_stat)
        monkeypatch.setattr(os, function, late)
        return real_stat(path)

    real_stat = os.stat
    monkeypatch.setattr(os, "stat", stat)
    assert store.stat([name]).keys() == {name}
    assert names_in(store.folder) == [f"{name[:2]}/{name}"]


def test_a_file_that_was_moved_aside_can_be_withdrawn_and_deleted(
    store: LocalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = killed_aside(store, monkeypatch, b"deleted")
    assert store.delete([name]) == {name}
    name = killed_aside(store, monkeypatch, b"withdrawn")
    store.withdraw([notice(name)])
    assert store.stat([name]) == {name: notice(name)}
    assert names_in(path_of(store, name).parent) == [f"{name}.withdrawn"]


def test_what_others_gave_back_is_not_erased(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.put(b"x").sha256
    real = os.replace

    def replace(source: str, target: str) -> None:
        real(source, target)
        assert LocalFiles(store.folder).refresh([name]) == {name}

    monkeypatch.setattr(os, "replace", replace)
    assert store.delete([name], older_than=FAR_FUTURE) == set()
    assert read(store, name) == b"x"
    assert names_in(store.folder) == [f"{name[:2]}/{name}"]


def test_bytes_erased_while_they_are_compared_are_stored_anew(store: LocalFiles) -> None:
    data = content(BIG)
    name = store.put(data).sha256

    def source() -> Iterator[bytes]:
        yield data
        store.delete([name])

    store.put(source(), sha256=name)
    assert read(store, name) == data


def test_a_withdrawal_while_bytes_are_stored_wins(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    data = content(BIG)
    name = digest(data)
    real = os.replace

    def replace(source: str, target: str) -> None:
        if os.path.basename(target) == name:
            LocalFiles(store.folder).withdraw([notice(name)])
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(Gone):
        store.put(data)
    assert names_in(store.folder) == [f"{name[:2]}/{name}.withdrawn"]


def test_a_withdrawal_while_a_table_is_made_again_leaves_no_table(store: LocalFiles) -> None:
    name = store.put(content(BIG)).sha256
    raw = store._files.open(name)
    store.withdraw([notice(name)])
    raw.save_table(b"table")
    raw.close()
    assert names_in(store.folder) == [f"{name[:2]}/{name}.withdrawn"]


def test_a_table_that_cannot_be_saved_does_not_stop_a_read(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    data = content(BIG)
    name = store.put(data).sha256
    beside(store, name, "chunks").unlink()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert read(store, name, 5, 10) == data[5:10]


def test_of_two_withdrawals_at_once_the_first_notice_stays(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.put(b"x").sha256
    first, second = notice(name, "first"), notice(name, "second")
    real = TemporaryFile.finish

    def finish(temporary: TemporaryFile) -> int:
        monkeypatch.undo()
        LocalFiles(store.folder).withdraw([first])
        return real(temporary)

    monkeypatch.setattr(TemporaryFile, "finish", finish)
    store.withdraw([second])
    assert store.stat([name]) == {name: first}
    assert names_in(store.folder) == [f"{name[:2]}/{name}.withdrawn"]


# Withdrawal cut off, and notices damaged.


@pytest.mark.parametrize("finish", ["withdraw", "sweep"])
def test_a_withdrawal_cut_off_before_erasing_holds_and_is_completed(store: LocalFiles, finish: str) -> None:
    data = content(BIG)
    name = store.put(data).sha256
    beside(store, name, "withdrawn").write_bytes(encode_notice(notice(name)))
    with pytest.raises(Gone):
        store.open(name)
    with pytest.raises(Gone):
        store.put(data, sha256=name)
    assert store.stat([name]) == {name: notice(name)}
    assert store.refresh([name]) == set()
    if finish == "withdraw":
        store.withdraw([notice(name, "later")])
    else:
        assert store.sweep(0) == 1
    assert names_in(store.folder) == [f"{name[:2]}/{name}.withdrawn"]
    assert store.stat([name]) == {name: notice(name)}


def test_a_damaged_notice_still_bars_the_bytes_and_can_be_given_again(store: LocalFiles) -> None:
    name = digest(b"x")
    store.withdraw([notice(name)])
    path = beside(store, name, "withdrawn")
    for kind in ("rubbish", "folder"):
        path.unlink()
        if kind == "folder":
            path.mkdir()
        else:
            path.write_bytes(b"{}")
        for call in (lambda: store.open(name), lambda: store.put(b"x"), lambda: store.put(b"x", sha256=name)):
            with pytest.raises(Corrupt):
                call()
        assert [type(item) for item in scan_files(store)] == [StoredFile]
        assert store.refresh([name]) == set()
        assert store.sweep(FAR_FUTURE) == 0
        store.withdraw([notice(name, "again")])
        assert store.stat([name]) == {name: notice(name, "again")}
