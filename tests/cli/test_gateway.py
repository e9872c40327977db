"""Every command works on a gateway, with the key in STAT7_KEY; what is refused says what to do."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import stat7
from stat7.address import digest
from stat7.cli.app import CONFLICT, CORRUPT, NOT_FOUND, OK, UNAVAILABLE, USAGE
from stat7.files.local import LocalFiles
from stat7.files.memory import MemoryFiles
from stat7.remote_repository import RemoteRepository
from stat7.stores.memory import MemoryStore
from stat7.stores.sqlite import SQLiteStore
from stat7.stress.housing import given_location
from stat7.testing.samples import sample
from stat7.testing.servers import Gateway
from stat7.testing.servers.base import free_port
from tests.cli.conftest import Run, document
from tests.gateways import Gateways, Served


@pytest.fixture
def served(gateways: Gateways, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A gateway over SQLite and a folder, which the environment names, with a key that may do everything."""
    made = gateways.add(SQLiteStore(tmp_path / "behind.db"), LocalFiles(tmp_path / "behind-files"))
    monkeypatch.setenv("STAT7_KEY", made.keys["all"])
    return made


@pytest.fixture
def on(run: Run, served: Served) -> Run:
    """Runs a command on the gateway."""
    return lambda *words, **given: run(*words, "--store", served.url, **given)


def test_documents_go_in_and_come_out(on: Run, tmp_path: Path) -> None:
    first = document()
    done = on("put", "-", stdin=json.dumps(first).encode())
    assert (done.code, done.err) == (OK, "")
    (address,) = done.lines
    second = on("put", "-", stdin=json.dumps({**first, "previous": address, "state": {"name": "B"}}).encode()).lines[0]
    assert digest(on("get", address, "--raw").out) == address
    assert on("head", "hero/ada").lines == [second]
    assert len(on("history", "hero/ada").lines) == 2
    assert "town/oxbow" in on("neighbours", "hero/ada").text
    assert second in on("find", "--realm", "narrative", "--density", "0.4..").text
    assert on("explain", "--realm", "narrative").code == OK
    assert on("get", "0" * 64).code == NOT_FOUND
    conflict = on("put", "-", stdin=json.dumps({**first, "state": {"name": "C"}}).encode())
    assert (conflict.code, second in conflict.err) == (CONFLICT, True)
    on("export", "--versions", "all", "-o", "out.ndjson")
    assert len((tmp_path / "out.ndjson").read_bytes().splitlines()) == 2


def test_files_are_stored_imported_and_read(on: Run, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for number in range(3):
        (tmp_path / "notes" / f"{number}.txt").write_text(f"note {number}")
    done = on("import", "files", "notes")
    assert done.code == OK, done.err
    assert len(on("find", "--limit", "10").lines) >= 3
    name = on("file", "put", "notes/0.txt").lines[0].split()[0]
    assert name == digest(b"note 0")
    assert on("file", "cat", name).out == b"note 0"
    (tmp_path / "lost.txt").write_text("nobody names it")
    lost = on("file", "put", "lost.txt").lines[0].split()[0]
    assert json.loads(on("stats", "--json").text)["files"]["stored"] == 4
    time.sleep(0.01)
    done = on("gc", "--grace", "0m", "--offline", "--compact", "--json")
    assert json.loads(done.lines[-1])["deleted"] == 1, done.err
    assert on("file", "cat", lost).code == NOT_FOUND
    assert on("file", "cat", name).code == OK


def test_copies_go_both_ways_verified_and_digests_agree(on: Run, run: Run, served: Served, gateways: Gateways) -> None:
    for number in range(30):
        served.store.put([sample(f"id {number}")])
    name = served.files.put(b"bytes").sha256
    assert run("copy", "--verify", served.url, "sqlite:here.db").code == OK
    other = gateways.add(MemoryStore(), MemoryFiles())
    done = run("copy", "--verify", "sqlite:here.db", other.keyed())
    assert done.code == OK, done.err
    assert other.store.count() == 30
    assert other.files.stat([name]).keys() == {name}
    done = run("digest", "--diff", served.url, other.keyed())
    assert done.code == OK, done.text
    assert on("digest").lines == run("digest", "--store", "sqlite:here.db").lines


def test_what_is_damaged_behind_it_is_found_and_mended_from_a_copy(run: Run, on: Run, gateways: Gateways) -> None:
    store, record = MemoryStore(), sample("x")
    damaged = gateways.add(store, MemoryFiles())
    with stat7.open("sqlite:good.db") as good, stat7.open(damaged.keyed()) as repo:
        repo.put(record)
        good.put(record)
    store.contents().documents[record.address] = b"garbage"
    done = run("verify", "--store", damaged.keyed())
    assert done.code == CORRUPT
    assert record.address in done.text
    assert run("get", record.address, "--store", damaged.keyed()).code == CORRUPT
    assert run("verify", "--store", damaged.keyed(), "--repair-from", "sqlite:good.db").code == OK
    assert store.contents().documents[record.address] == record.document


def test_withdrawal_reaches_documents_and_files(on: Run, served: Served) -> None:
    record = sample("x")
    served.store.put([record])
    name = served.files.put(b"bytes").sha256
    assert on("withdraw", record.address, "--case", "1", "--reason", "r").code == OK
    assert on("withdraw", "--file", name, "--case", "1", "--reason", "r").code == OK
    assert on("get", record.address).code == on("file", "cat", name).code == NOT_FOUND


def test_doctor_and_init_speak_of_the_gateway_and_hide_the_key(run: Run, on: Run, served: Served) -> None:
    done = on("doctor", "--json")
    assert done.code == OK, done.text
    checks = {check["name"]: check for check in map(json.loads, done.lines) if "name" in check}
    assert "may admin, read, write" in checks["gateway"]["text"]
    shown = done.text + run("init", "--store", served.keyed()).text + run("stats", "--store", served.keyed()).text
    assert served.keys["all"] not in shown


@pytest.mark.parametrize(
    ("key", "command", "told"),
    [
        ("", ("stats",), "nobody may read or write there without a key; name one: STAT7_KEY"),
        ("stat7_00000000_wrong", ("stats",), "not known, or was revoked; check the key: STAT7_KEY"),
        ("read", ("put", "-"), "needs the scope write"),
        ("write", ("get", "0" * 64), "needs the scope read"),
        ("write", ("withdraw", "0" * 64, "--case", "1", "--reason", "r"), "needs the scope admin"),
        ("all", ("admin", "key", "list"), "a gateway hands out no keys"),
        ("all", ("admin", "key", "create", "x", "--scope", "read"), "a gateway hands out no keys"),
        ("all", ("stats", "--cache", "redis://localhost"), "cache is its own"),
    ],
)
def test_what_is_refused_is_one_line_without_the_key(
    on: Run, served: Served, monkeypatch: pytest.MonkeyPatch, key: str, command: tuple[str, ...], told: str
) -> None:
    secret = served.keys.get(key, key)
    monkeypatch.setenv("STAT7_KEY", secret)
    done = on(*command, stdin=sample().document)
    assert (done.code, done.text) == (USAGE, "")
    (line,) = done.err.splitlines()
    assert told in line
    assert not secret or secret not in line


def test_a_gateway_that_is_away_is_one_line(run: Run) -> None:
    done = run("stats", "--store", f"http://127.0.0.1:{free_port()}?retry=0")
    assert done.code == UNAVAILABLE
    assert done.err.startswith("stat7: can't connect to http://127.0.0.1:")
    assert len(done.err.splitlines()) == 1


def test_a_process_that_serves_is_worked_on_from_here(run: Run, gateway: Gateway) -> None:
    record = sample("served by a process", state={"shared": "with other tests"})
    url = f"http://:{gateway.keys['all']}@127.0.0.1:{gateway.port}"
    assert run("put", "-", "--store", url, stdin=record.document).lines == [record.address]
    assert run("get", record.address, "--raw", "--store", url).out == record.document
    with stat7.open(gateway.url, key=gateway.keys["read"]) as repo:
        assert repo.head(record.id) == record.address
    assert run("doctor", "--store", url).code == OK


def test_stress_measures_what_clients_of_a_gateway_get(served: Served) -> None:
    location = given_location(served.url, None)
    with location.open() as repo:
        assert isinstance(repo, RemoteRepository)
    assert given_location(served.url, "memory:").files == "memory:"
