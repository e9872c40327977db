"""A repository over a gateway keeps the rules of docs/semantics.md, however it is put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import stat7
from stat7.address import Address
from stat7.errors import ConfigError, Conflict, Gone, InvalidEntity, StoreFull, Unavailable
from stat7.files.base import FileStore
from stat7.files.http import HttpFiles
from stat7.files.memory import MemoryFiles
from stat7.metrics import Metrics
from stat7.record import Record
from stat7.registry import open_files, open_store
from stat7.remote_repository import RemoteRepository
from stat7.repository import Repository, Status
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.stores.http import HttpStore
from stat7.stores.memory import MemoryStore
from stat7.testing import RepositorySuite
from stat7.testing.repositories import addresses, missing_file, put_new, statuses
from stat7.testing.samples import attached, chain, sample, samples
from tests.gateways import Gateways, Served
from tests.liars import lying, ndjson


class TestRepositoryOverStores(RepositorySuite):
    """The façade itself over the stores of a gateway, as it is where only one of both is there."""

    @pytest.fixture(autouse=True)
    def _gateways(self, gateways: Gateways) -> None:
        self.gateways = gateways

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        url = self.gateways.add(MemoryStore(), MemoryFiles()).keyed()
        return open_store(url), open_files(url)

    def damage(self, store: Store, address: Address, data: bytes = b"damaged") -> None:
        assert isinstance(store, HttpStore)
        below = self.gateways.of(store.connection.url).store
        assert isinstance(below, MemoryStore)
        below.contents().documents[address] = data

    def damage_file(self, files: FileStore, sha256: str, data: bytes) -> None:
        assert isinstance(files, HttpFiles)
        below = self.gateways.of(files.connection.url).files
        assert isinstance(below, MemoryFiles)
        held = below._files[sha256]
        held.data, held.table = data, None


class TestRemoteRepository(TestRepositoryOverStores):
    """What `stat7.open` makes of a gateway's URL: puts are decided there."""

    @pytest.fixture
    def repo(self, tmp_path: Path) -> Repository:
        """Over a fresh gateway."""
        store, files = self.make_stores(tmp_path)
        assert isinstance(store, HttpStore)
        return RemoteRepository(store, files)


# What `stat7.open` makes, and what each item of a put becomes when answers go wrong.


@pytest.fixture
def served(gateways: Gateways) -> Served:
    """A gateway of the test's own."""
    return gateways.add(MemoryStore(), MemoryFiles())


def test_a_gateways_url_alone_is_a_repository_decided_there(served: Served, tmp_path: Path) -> None:
    with stat7.open(served.url, key=served.keys["all"]) as repo:
        assert type(repo) is RemoteRepository
        assert isinstance(repo.files, HttpFiles)
    with stat7.open(served.keyed(options="retry=3"), files=served.keyed()) as repo:
        assert type(repo) is RemoteRepository


def test_with_files_elsewhere_or_a_replica_it_is_decided_here(served: Served, tmp_path: Path) -> None:
    record = sample("x")
    with stat7.open(served.keyed(), files="memory:") as repo:
        assert type(repo) is Repository
        assert repo.put(record) == record.address
    with stat7.open("memory:replica-of-a-gateway") as other:
        other.put(sample("y"))
        with stat7.open(served.keyed(), replica="memory:replica-of-a-gateway") as repo:
            assert type(repo) is Repository
            assert repo.get(record.address).id == "x"
    with stat7.open(f"sqlite:{tmp_path / 'lib.db'}", files=served.keyed()) as repo:
        assert type(repo) is Repository
        assert repo.put_file(b"x").size == 1
    with stat7.open(served.keyed(), metrics=Metrics()) as repo:
        assert type(repo) is Repository


def test_a_key_is_sent_to_the_gateway_it_was_given_for_and_to_no_other(served: Served, gateways: Gateways) -> None:
    other = gateways.add(MemoryStore(), MemoryFiles())
    with pytest.raises(ConfigError, match="without a key"):
        stat7.open(served.url, files=other.url, key=served.keys["all"])


def test_a_put_is_one_request_and_a_write_key_suffices(served: Served) -> None:
    with stat7.open(served.url, key=served.keys["write"]) as repo:
        served.paths.clear()
        name = repo.put_file(b"bytes").sha256
        file = attached(name, "file.bin")._replace(size=5)
        results = repo.put_many([sample("x", files=[file]), *chain("y", 3)])
        assert statuses(results) == ["new"] * 4
        assert served.paths == ["POST /files", "POST /entities"]
        with pytest.raises(ConfigError, match="scope read, which the key"):
            repo.head("y")
    assert served.store.heads(["x", "y"]).keys() == {"x", "y"}


def test_a_key_that_may_only_read_puts_nothing_and_says_why(served: Served) -> None:
    with stat7.open(served.keyed("read")) as repo:
        results = repo.put_many(samples(3))
        assert statuses(results) == ["unavailable"] * 3
        assert {type(result.error) for result in results} == {ConfigError}
        with pytest.raises(ConfigError, match="STAT7_KEY"):
            repo.put(sample())
    assert served.store.count() == 0


def test_every_outcome_keeps_its_error(served: Served) -> None:
    head, stranger, gone = sample("x"), sample("x", state={"other": True}), sample("gone")
    lost = sample("lost", files=[missing_file()])
    with stat7.open(served.keyed()) as repo:
        repo.put(head)
        (notice,) = repo.withdraw([gone.address], case="1", reason="r")
        results = repo.put_many([head, stranger, gone, lost, b"{}", sample("new")])
        assert statuses(results) == ["existed", "conflict", "withdrawn", "refused", "refused", "new"]
        _, conflict, withdrawn, refused, invalid, _ = (result.error for result in results)
        assert isinstance(conflict, Conflict)
        assert (conflict.id, conflict.current) == ("x", head.address)
        assert isinstance(withdrawn, Gone)
        assert withdrawn.notice == notice
        assert isinstance(refused, InvalidEntity)
        assert refused.path == "files[0].sha256"
        assert isinstance(invalid, InvalidEntity)
        assert repo.put_many([]) == []


def test_thousands_go_in_requests_of_bounded_size(served: Served) -> None:
    records = samples(4500)
    with stat7.open(served.keyed()) as repo:
        served.paths.clear()
        put_new(repo, records)
        assert served.paths == ["POST /entities"] * 3
    large = [sample(f"large {number}", state={"text": "x" * 200_000}) for number in range(50)]
    with stat7.open(served.keyed()) as repo:
        served.paths.clear()
        put_new(repo, large)
        assert served.paths == ["POST /entities"] * 3


def test_a_store_behind_it_that_fails_makes_items_unavailable(gateways: Gateways) -> None:
    class Full(MemoryStore):
        def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
            raise StoreFull("the disk is full")

    with stat7.open(gateways.add(Full(), MemoryFiles()).keyed()) as repo:
        results = repo.put_many(samples(3))
        assert statuses(results) == ["unavailable"] * 3
        assert {type(result.error) for result in results} == {StoreFull}


def line(number: int, record: Record, status: str = "new") -> dict[str, object]:
    """A result as gateways write it."""
    return {"line": number, "status": status, "address": record.address}


def test_what_a_broken_off_answer_leaves_open_is_unavailable(gateways: Gateways) -> None:
    records = samples(5)
    with lying() as liar, stat7.open(liar.url("retry=0")) as repo:
        liar.says(ndjson(line(1, records[0]), line(2, records[1]), whole=False))
        results = repo.put_many([records[0], b"no JSON", *records[1:]])
        assert statuses(results) == ["new", "refused", "new", "unavailable", "unavailable", "unavailable"]
        assert [result.address for result in results[2:]] == addresses(records[1:])
        assert {type(result.error) for result in results[3:]} == {Unavailable}


def test_what_a_broken_off_answer_leaves_open_is_asked_again_while_there_is_time() -> None:
    records = samples(5)
    with lying() as liar, stat7.open(liar.url("retry=20")) as repo:
        liar.says(
            ndjson(line(1, records[0]), line(2, records[1]), whole=False),
            ndjson(line(1, records[2], "existed")),
            ndjson(line(1, records[3]), line(2, records[4])),
        )
        assert statuses(repo.put_many(records)) == ["new", "new", "existed", "new", "new"]
        documents = [record.document for record in records]
        assert [asked.body for asked in liar.asked] == [b"\n".join(documents[at:]) + b"\n" for at in (0, 2, 3)]


def test_an_answer_that_ends_early_with_a_problem_gives_the_rest_that_problem() -> None:
    records = samples(3)
    told = {"type": "urn:stat7:problem:store-full", "title": "t", "status": 507, "detail": "no space"}
    with lying() as liar, stat7.open(liar.url()) as repo:
        liar.says(ndjson(line(1, records[0]), {"problem": told}))
        results = repo.put_many(records)
        assert statuses(results) == ["new", "unavailable", "unavailable"]
        assert {type(result.error) for result in results[1:]} == {StoreFull}


@pytest.mark.parametrize(
    "told",
    [
        {"line": 1, "status": "new", "address": "b" * 64},
        {"line": 1, "status": "new", "address": None},
        {"line": 1, "status": "fine", "address": None},
        {"line": 1, "status": "conflict", "address": None},
        {"line": 1, "status": "new", "address": sample().address,
         "problem": {"type": "urn:stat7:problem:store-full", "detail": "x"}},
    ],
)  # fmt: skip
def test_results_that_cannot_be_acknowledge_nothing(told: dict[str, object]) -> None:
    with lying() as liar, stat7.open(liar.url()) as repo:
        liar.says(ndjson(told))
        (result,) = repo.put_many([sample()])
        assert (result.status, result.address, type(result.error)) == (
            Status.UNAVAILABLE,
            sample().address,
            Unavailable,
        )


def test_a_closed_one_acknowledges_nothing(served: Served) -> None:
    repo = stat7.open(served.keyed())
    repo.close()
    repo.close()
    (result,) = repo.put_many([sample()])
    assert (result.status, type(result.error)) == (Status.UNAVAILABLE, Unavailable)
