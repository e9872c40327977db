"""Every error class of apsw becomes one error of stat7, of one line that names the file and what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import apsw
import pytest

from stat7.errors import ConfigError, Corrupt, Stat7Error, StoreFull, Unavailable
from stat7.stores.sqlite.errors import TRANSLATIONS, Translating, translated


def _classes(base: type[apsw.Error]) -> set[type[apsw.Error]]:
    found = set(base.__subclasses__())
    return found.union(*(_classes(kind) for kind in found)) if found else found


def test_every_class_of_apsw_has_its_translation() -> None:
    assert len(_classes(apsw.Error)) > 30
    assert _classes(apsw.Error) == set(TRANSLATIONS)


KINDS = sorted(TRANSLATIONS, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_translations_are_one_line_that_names_the_file(kind: type[apsw.Error]) -> None:
    for error in (kind("some\nmessage"), kind()):
        text = str(translated(error, "/data/library.db"))
        assert "library.db" in text or "/data" in text
        assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (apsw.BusyError, Unavailable),
        (apsw.LockedError, Unavailable),
        (apsw.IOError, Unavailable),
        (apsw.NoMemError, Unavailable),
        (apsw.ConnectionClosedError, Unavailable),
        (apsw.FullError, StoreFull),
        (apsw.ReadOnlyError, ConfigError),
        (apsw.CantOpenError, ConfigError),
        (apsw.NotADBError, ConfigError),
        (apsw.AuthError, ConfigError),
        (apsw.PermissionsError, ConfigError),
        (apsw.SQLError, ConfigError),
        (apsw.CorruptError, Corrupt),
        (apsw.ConstraintError, Corrupt),
    ],
)
def test_each_trouble_has_its_error(kind: type[apsw.Error], expected: type[Stat7Error]) -> None:
    assert type(translated(kind("message"), "x.db")) is expected


@pytest.mark.parametrize("kind", [apsw.IOError, apsw.CantOpenError])
def test_the_systems_own_error_tells_a_full_disk_and_too_many_files(kind: type[apsw.Error]) -> None:
    assert type(translated(kind("disk I/O error"), "x.db", errno.ENOSPC)) is StoreFull
    assert type(translated(kind("unable to open"), "x.db", errno.EMFILE)) is Unavailable
    assert type(translated(apsw.BusyError("busy"), "x.db", errno.ENOSPC)) is Unavailable


def test_a_class_that_a_later_apsw_adds_is_treated_like_its_ancestor() -> None:
    class LaterBusyError(apsw.BusyError):
        """Not in the table."""

    class LaterError(apsw.Error):
        """Not in the table either."""

    assert "another process" in str(translated(LaterBusyError("x"), "x.db"))
    assert type(translated(LaterError("x"), "x.db")) is Unavailable
    assert type(translated(apsw.Error("x"), "x.db")) is Unavailable


def test_what_cant_be_opened_says_why(tmp_path: Path) -> None:
    missing = translated(apsw.CantOpenError("x"), str(tmp_path / "missing" / "x.db"))
    assert "does not exist; create it" in str(missing)
    assert "is a folder" in str(translated(apsw.CantOpenError("x"), str(tmp_path)))
    assert "permissions" in str(translated(apsw.CantOpenError("x"), str(tmp_path / "x.db")))


def test_only_errors_of_apsw_are_translated() -> None:
    with pytest.raises(Unavailable) as caught, Translating("x.db"):
        raise apsw.BusyError("locked")
    assert isinstance(caught.value.__cause__, apsw.BusyError)
    with pytest.raises(KeyError), Translating("x.db"):
        raise KeyError("ours")
    with Translating("x.db"):
        pass
