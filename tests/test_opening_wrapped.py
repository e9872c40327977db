"""`stat7.open` with cache, replica, retries and metrics: in which order they stand, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import stat7
from stat7 import opening
from stat7.backoff import Backoff
from stat7.errors import ConfigError, Corrupt, Gone
from stat7.files.local import LocalFiles
from stat7.files.metered import MeteredFiles
from stat7.files.replicated import ReplicatedFiles
from stat7.files.wrapping import FilesWrapper
from stat7.metrics import Metrics
from stat7.repository import Repository
from stat7.stores.base import Store
from stat7.stores.cached import CachedElsewhere, CachedStore
from stat7.stores.memory import MemoryStore
from stat7.stores.metered import MeteredStore
from stat7.stores.replicated import ReplicatedStore
from stat7.stores.retrying import RetryingStore
from stat7.stores.sqlite import SQLiteStore
from stat7.stores.wrapping import StoreWrapper
from stat7.testing.samples import notice, sample
from tests.stores.caching import LEASE, cached
from tests.stores.wrapped import WrappedSQLite, damage, path_of

NOBODY = "redis://127.0.0.1:1/0"
"""A cache that isn't there."""


class TestWholeStack(WrappedSQLite):
    """The conformance suites through all wrappers of stores, in the order of `stat7.open`."""

    @pytest.fixture(autouse=True)
    def _redis(self, redis_url: str) -> None:
        self.url = redis_url

    def wrap(self, inner: Store) -> StoreWrapper:
        """All of them."""
        mended = ReplicatedStore(RetryingStore(inner, Backoff()), MemoryStore)
        return MeteredStore(cached(mended, self.url), Metrics())


def kinds(part: object) -> list[type]:
    """The types of a wrapped store, from the outside to the backend."""
    found = [type(part)]
    while isinstance(part, StoreWrapper | FilesWrapper):
        part = part.inner
        found.append(type(part))
    return found


def test_wrappers_stand_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stat7.open(f"sqlite:{tmp_path / 'copy.db'}")).close()
    server = SimpleNamespace(retries=2, require=lambda: None)
    monkeypatch.setattr(opening, "configure_store", lambda url: server)
    metrics = Metrics()
    with stat7.open(
        f"sqlite:{tmp_path / 'lib.db'}",
        files=f"file:{tmp_path / 'files'}",
        cache=NOBODY,
        replica=f"sqlite:{tmp_path / 'copy.db'}",
        metrics=metrics,
    ) as repo:
        assert kinds(repo.store) == [MeteredStore, CachedStore, ReplicatedStore, RetryingStore, SQLiteStore]
        assert kinds(repo.files) == [MeteredFiles, ReplicatedFiles, LocalFiles]
        assert path_of(repo.store) == str(tmp_path / "lib.db")
        address = repo.put(sample())
        assert repo.get_document(address) == sample().document
    assert metrics.snapshot()["store"]["put"].calls == 1


def test_nothing_stands_between_unless_it_is_asked_for(tmp_path: Path) -> None:
    with stat7.open(f"sqlite:{tmp_path / 'lib.db'}") as repo:
        assert kinds(repo.store) == [CachedElsewhere, SQLiteStore]
    with stat7.open("memory:") as repo:
        assert kinds(repo.store) == [MemoryStore]


def test_damage_is_mended_from_a_replica_and_its_files(tmp_path: Path) -> None:
    urls = {name: f"sqlite:{tmp_path / name}.db" for name in ("lib", "copy")}
    for url in urls.values():
        with stat7.open(url) as repo:
            stored = repo.put_file(b"bytes")
            address = repo.put(sample())
    with stat7.open(urls["lib"], replica=urls["copy"]) as repo:
        damage(repo.store, address, b"garbage")
        path = tmp_path / "lib-files" / stored.sha256[:2] / stored.sha256
        path.write_bytes(b"bites")
        assert repo.get_document(address) == sample().document
        assert b"".join(repo.files.open(stored.sha256)) == b"bytes"
        assert path.read_bytes() == b"bytes"
        assert {check.name: check.status for check in repo.store.diagnose()}["replica"] == "ok"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"replica": "sqlite:not-there.db"}, "the replica: there is no store at not-there.db"),
        ({"replica": "nonsense"}, "not a URL"),
        ({"replica": "memory:,memory:,memory:"}, "STORE,FILES"),
        ({"replica": "memory:,sqlite:x"}, "unknown scheme sqlite"),
        ({"cache": "memcached://localhost"}, "there are these caches: redis://localhost:6379/0"),
        ({"cache": "redis:///0"}, "not a host and the number of a database"),
        ({"cache": "redis://localhost:x"}, "not a host and port"),
        ({"cache": "redis://localhost/zero"}, "write redis://localhost:6379/0"),
        ({"cache": "redis://localhost?timeout=60"}, "a number of seconds from 0.001 to 10"),
        ({"cache": "redis://localhost?ttl=0"}, "a number of seconds from 1"),
        ({"cache": "redis://localhost?largest=1e3"}, "a whole number of bytes from 0 to 262144"),
        ({"cache": "redis://localhost?policy=lru"}, "takes largest, timeout, ttl"),
    ],
)
def test_what_can_not_be_is_refused_and_nothing_is_made(
    options: dict[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as refused:
        stat7.open("memory:", **options)  # type: ignore[arg-type]
    assert told in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_no_message_holds_the_password_of_a_cache() -> None:
    for url in ("redis://ada:hush@localhost/zero", "redis://ada:hu?sh@localhost/0", "redis://:hu/sh@localhost/0"):
        with pytest.raises(ConfigError) as refused:
            stat7.open("memory:", cache=url)
        assert "hu" not in str(refused.value).replace("percent", "")


def test_a_store_that_somebody_caches_after_it_was_opened_is_guarded(tmp_path: Path, redis_url: str) -> None:
    record = sample()
    with stat7.open(f"sqlite:{tmp_path / 'lib.db'}") as repo:
        reader = cached(SQLiteStore(tmp_path / "lib.db"), redis_url)
        reader.put([record])
        reader.get([record.address])
        repo.withdraw([record.address], case="case", reason="reason")
        with pytest.raises(Gone):
            Repository(reader, repo.files).get(record.address)
    reader.close()


def test_a_replica_that_is_gone_when_it_is_needed_is_not_made(tmp_path: Path) -> None:
    urls = {name: f"sqlite:{tmp_path / name}.db" for name in ("lib", "copy")}
    for url in urls.values():
        with stat7.open(url) as repo:
            address = repo.put(sample())
    with stat7.open(urls["lib"], replica=urls["copy"]) as repo:
        damage(repo.store, address, b"garbage")
        (tmp_path / "copy.db").unlink()
        with pytest.raises(Corrupt):
            repo.get(address)
    assert not (tmp_path / "copy.db").exists()


def test_a_store_that_is_not_there_is_only_made_if_that_is_allowed(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'lib.db'}"
    with pytest.raises(ConfigError, match="no store at"):
        stat7.open(url, make=False)
    assert list(tmp_path.iterdir()) == []
    stat7.open(url).close()
    stat7.open(url, make=False).close()


def test_a_memory_store_behind_a_cache_needs_no_server() -> None:
    with stat7.open("memory:", cache=NOBODY) as repo:
        address = repo.put(sample())
        assert repo.get_document(address) == sample().document
        assert isinstance(repo.store, CachedStore)
        repo.store.withdraw([notice(address)])
        with pytest.raises(Gone):
            repo.get(address)
    assert LEASE < 1


def test_a_server_store_is_tried_again_as_its_url_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "open_store", lambda url, make, key: MemoryStore())
    for option, expected in (("", 5), ("?retries=1", 2)):
        with stat7.open(f"postgresql://host/database{option}", files="memory:") as repo:
            assert kinds(repo.store) == [RetryingStore, MemoryStore]
            assert repo.store._backoff.attempts == expected  # type: ignore[attr-defined]
    with stat7.open("postgresql://host/database?retries=0", files="memory:") as repo:
        assert kinds(repo.store) == [MemoryStore]
