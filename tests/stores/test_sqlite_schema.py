"""Opening: fresh files, strange paths, files of others, newer and older schemas, and many who open at once."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from stat7.errors import ConfigError, Stat7Error, Unavailable
from stat7.stores.sqlite import SQLiteStore, connection, schema
from stat7.testing.samples import notice, samples
from stat7.testing.store_suite import check_all, race


def _pragma(path: Path, name: str) -> object:
    with closing(apsw.Connection(str(path))) as raw:
        return raw.execute(f"PRAGMA {name}").fetchall()[0][0]


def test_a_fresh_file_gets_our_stamp_and_settings(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SQLiteStore(path).close()
    assert _pragma(path, "application_id") == 0x53544137
    assert _pragma(path, "user_version") == schema.SCHEMA_VERSION
    assert _pragma(path, "journal_mode") == "wal"
    assert _pragma(path, "page_size") == 8192


def test_an_empty_file_is_fresh(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    with SQLiteStore(path) as store:
        store.put(samples(2))
    with SQLiteStore(path) as store:
        assert store.count() == 2


@pytest.mark.parametrize(
    "name",
    [
        "with space.db",
        "100%.db",
        "a#b?c=d&e.db",
        "it's.db",
        "ümlaut 😀.db",
        "file:x?mode=memory",
        "-x.db",
        "%41.db",
        "no ext",
    ],
)
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32" and any(sign in name for sign in ':?"*'):
        pytest.skip("no file can have this name on Windows")
    monkeypatch.chdir(tmp_path)
    with SQLiteStore(name) as store:
        store.put(samples(1))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with SQLiteStore(tmp_path / name) as store:
        assert store.count() == 1


def test_a_change_of_folder_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with SQLiteStore("store.db") as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.put(samples(1))
        assert store.count() == 1
    assert (tmp_path / "store.db").exists()


@pytest.mark.parametrize(
    ("name", "advice"),
    [("", "memory:"), (":memory:", "memory:"), ("a\0b", "NUL"), ("\udc80.db", "Unicode"), (".", "is a folder"),
     ("no/such/folder/x.db", "create it")],
)  # fmt: skip
def test_paths_that_cant_be_are_refused_with_advice(
    tmp_path: Path, name: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=advice):
        SQLiteStore(name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(ConfigError, match="not a SQLite database"):
        SQLiteStore(path)
    assert path.read_bytes() == b"Dear diary, " * 1000


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    for statement in ("CREATE TABLE t(x)", "PRAGMA user_version = 3", "PRAGMA application_id = 77"):
        with closing(apsw.Connection(str(path))) as raw:
            raw.execute(statement).fetchall()
        before = path.read_bytes()
        with pytest.raises(ConfigError, match="another program"):
            SQLiteStore(path)
        assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with SQLiteStore(path) as store:
        store.put(samples(1))
    with closing(apsw.Connection(str(path))) as raw:
        raw.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}").fetchall()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="newer stat7"):
        SQLiteStore(path)
    assert path.read_bytes() == before


def test_an_older_schema_is_brought_up_to_date_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with SQLiteStore(path) as store:
        store.put(samples(3))
    now = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", now + 2)
    monkeypatch.setitem(schema.MIGRATIONS, now, lambda raw: raw.execute("CREATE TABLE first(x)").fetchall())
    monkeypatch.setitem(schema.MIGRATIONS, now + 1, lambda raw: raw.execute("ALTER TABLE first ADD y").fetchall())
    with SQLiteStore(path) as store:
        assert store.count() == 3
    assert _pragma(path, "user_version") == now + 2
    with closing(apsw.Connection(str(path))) as raw:
        assert raw.execute("SELECT x, y FROM first").fetchall() == []


def test_notices_of_the_first_schema_get_their_digests(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with SQLiteStore(path) as store:
        store.withdraw([notice("a" * 64, id="x")])
    with closing(apsw.Connection(str(path))) as raw:
        raw.execute("ALTER TABLE notices DROP COLUMN digest; PRAGMA user_version = 1").fetchall()
    with SQLiteStore(path) as store:
        assert check_all(store) == []
        store.withdraw([notice("b" * 64)])
        assert store.get(["a" * 64]) == {"a" * 64: notice("a" * 64, id="x")}
        assert check_all(store) == []
    assert _pragma(path, "user_version") == schema.SCHEMA_VERSION


def test_a_migration_that_fails_leaves_the_older_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    SQLiteStore(path).close()
    now = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", now + 2)
    monkeypatch.setitem(schema.MIGRATIONS, now, lambda raw: raw.execute("CREATE TABLE first(x)").fetchall())
    monkeypatch.setitem(schema.MIGRATIONS, now + 1, lambda raw: raw.execute("CREATE TABLE first(x)").fetchall())
    with pytest.raises(Stat7Error):
        SQLiteStore(path)
    assert _pragma(path, "user_version") == now
    with closing(apsw.Connection(str(path))) as raw:
        assert raw.execute("SELECT 1 FROM sqlite_schema WHERE name = 'first'").fetchall() == []


def test_a_file_that_left_write_ahead_logging_returns_to_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SQLiteStore(path).close()
    with closing(apsw.Connection(str(path))) as raw:
        raw.execute("PRAGMA journal_mode = DELETE").fetchall()
    SQLiteStore(path).close()
    assert _pragma(path, "journal_mode") == "wal"


def test_threads_that_open_a_fresh_file_at_once_all_succeed(tmp_path: Path) -> None:
    for turn in range(5):
        path = tmp_path / f"{turn}.db"

        def work(number: int, path: Path = path) -> int:
            with SQLiteStore(path) as store:
                store.put([samples(8)[number]])
                return store.count()

        assert max(race(8, work)) <= 8
        with SQLiteStore(path) as store:
            assert store.count() == 8
            assert check_all(store) == []


OPEN_AND_PUT = """
import sys
from stat7.stores.sqlite import SQLiteStore
from stat7.testing.samples import notice, samples
record = samples(4)[int(sys.argv[2])]
print("ready", flush=True)
sys.stdin.readline()
with SQLiteStore(sys.argv[1]) as store:
    store.put([record])
"""


def test_processes_that_open_a_fresh_file_at_once_all_succeed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_PUT, path, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == b"ready"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 4
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.close()
    with SQLiteStore(path) as store:
        assert store.count() == 4


def test_a_file_that_is_locked_while_it_is_opened_is_waited_for_and_then_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(apsw.Connection(str(path))) as raw:
        raw.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="another process"):
            SQLiteStore(path, busy_timeout=0.1)
        raw.execute("ROLLBACK")
    SQLiteStore(path).close()


def test_turning_the_log_on_is_tried_until_others_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pragma, refused = connection.pragma, [apsw.BusyError("locked")] * 3

    def refusing(raw: apsw.Connection, name: str, value: int | str | None = None) -> int | str | None:
        if (name, value) == ("journal_mode", "WAL") and refused:
            raise refused.pop()
        return pragma(raw, name, value)

    monkeypatch.setattr(schema, "pragma", refusing)
    with SQLiteStore(tmp_path / "store.db") as store:
        assert store.put(samples(1))[0]
    assert not refused


def test_a_file_system_without_a_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pragma = connection.pragma
    monkeypatch.setattr(
        schema,
        "pragma",
        lambda raw, name, value=None: "delete" if name == "journal_mode" else pragma(raw, name, value),
    )
    with pytest.raises(ConfigError, match="local disk"):
        SQLiteStore(tmp_path / "store.db")


def test_importing_the_store_is_light() -> None:
    """What a cold `stat7 get` pays for: nothing heavy may come along."""
    heavy = "ctypes asyncio multiprocessing numpy sqlite3 apsw.ext concurrent.futures unittest http"
    program = f"import sys, stat7.stores.sqlite; print([name for name in {heavy.split()!r} if name in sys.modules])"
    # Measuring coverage would import some of it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
