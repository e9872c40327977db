"""The whole program on DynamoDB: there and back with equal digests, a server killed under load, races for one head."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

import stat7
from stat7.address import Address
from stat7.address import digest as sha256_of
from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.operations.verify import verify
from stat7.repository import Repository
from stat7.stores.base import Store
from stat7.testing import RepositorySuite
from stat7.testing.required import need_driver
from stat7.testing.samples import attached, chain, random_records, sample, samples
from stat7.testing.servers import DynamoDB

pytest.importorskip("boto3")

from stat7.stores.dynamodb import DynamoDBStore
from tests.stores.dynamodb import below, document_key, settings_for, url_for
from tests.system.loading import Load
from tests.system.racing import race_on_one_head

LONGEST = 12.0
"""Seconds that any call may take here: it is repeated for 3, and what was begun by then has 3 more for each request."""
BRIEF: Final[dict[str, Any]] = {"retry": 3, "timeout": 3, "connect_timeout": 1}


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Callable[[DynamoDB], None]:
    """Puts a server's credentials into the environment."""
    need_driver("dynamodb", "boto3")

    def put(server: DynamoDB) -> None:
        for name, value in server.environment.items():
            if "ENDPOINT" not in name:
                monkeypatch.setenv(name, value)

    return put


@pytest.fixture
def server(dynamodb: DynamoDB, credentials: Callable[[DynamoDB], None]) -> DynamoDB:
    """A server without tables, its credentials in the environment."""
    credentials(dynamodb)
    return dynamodb


@pytest.fixture
def repositories() -> Iterator[Callable[..., Repository]]:
    """Opens repositories, and closes them after the test."""
    with ExitStack() as opened:
        yield lambda url, files: opened.enter_context(stat7.open(url, files=files))


def _fill(repo: Repository) -> None:
    for data in (b"", b"1", b"x" * 70_000):
        repo.put_file(data)
    histories = [version for number in range(100) for version in chain(f"history/{number}", 4)]
    plain = [record for record in random_records(4, 900) if not record.files and not record.previous]
    naming = [sample(f"naming {number}", files=[attached(sha256_of(b"1"))]) for number in range(20)]
    assert all(result.error is None for result in repo.put_many([*histories, *plain, *naming]))
    repo.withdraw([histories[5].address, histories[390].address, "0" * 64], case="7", reason="by request")


class TestRepositoryOnDynamoDB(RepositorySuite):
    """The rules of a repository, the retries in the client."""

    @pytest.fixture(autouse=True)
    def _server(self, dynamodb: DynamoDB) -> None:
        self.server = dynamodb

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        table = f"r{sha256_of(str(tmp_path).encode())[:16]}"
        return DynamoDBStore(settings_for(self.server, table)), MemoryFiles()

    def damage(self, store: Store, address: Address, data: bytes = b"damaged") -> None:
        assert isinstance(store, DynamoDBStore)
        below(store).update_item(
            TableName=store.settings.table,
            Key=document_key(store, address),
            UpdateExpression="SET d = :d",
            ExpressionAttributeValues={":d": {"B": data}},
        )


def test_the_command_line_works_on_it(server: DynamoDB, tmp_path: Path) -> None:
    where = ["--store", url_for(server), "--files", f"file:{tmp_path / 'files'}"]

    def command(*words: str) -> tuple[int, str]:
        words = (sys.executable, "-m", "stat7", *words, *where)
        done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=False, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    code, told = command("find", "--realm", "data")
    assert code != 0
    assert "stat7 init" in told
    assert command("init")[0] == 0
    document = tmp_path / "a.json"
    document.write_bytes(samples(1)[0].document)
    assert command("put", str(document))[0] == 0
    assert "sample-0" in command("find", "--realm", "data")[1]
    code, told = command("find")
    assert code != 0
    assert "--allow-scan" in told
    assert "sample-0" in command("find", "--allow-scan")[1]
    assert "point-in-time" in command("doctor")[1]


class _Load(Load):
    """Threads that put chains of versions, and read back what was acknowledged."""

    def jobs(self) -> Sequence[Callable[[], None]]:
        return [partial(self._write, number) for number in range(4)]

    def _write(self, number: int) -> None:
        chance, turn = random.Random(number), 0
        while self.goes_on():
            turn += 1
            for version in chain(f"writer/{number}/{turn}", 10):
                while not self.put(version) and self.goes_on():
                    pass
                if not self.goes_on():
                    return
                self.get(chance.choice(list(self.acknowledged.values())))


def test_a_server_killed_under_load_loses_nothing_and_each_call_ends_in_time_with_one_clear_error(
    start_server: Callable[[DynamoDB], DynamoDB], credentials: Callable[[DynamoDB], None], tmp_path: Path
) -> None:
    server = start_server(DynamoDB(persistent=True))
    credentials(server)
    with stat7.open(url_for(server, **BRIEF), files=f"file:{tmp_path / 'files'}") as repo:
        with _Load(repo) as load:
            for away in (0.0, 5.0):
                load.wait_for_more(40)
                server.kill()
                time.sleep(away)
                server.start()
            load.wait_for_more(40)
        assert load.wrong == []
        assert load.failures, "five seconds away are more than three of patience"
        assert all(len(said.splitlines()) == 1 and "try again" in said for said in load.failures), load.failures
        assert load.slowest < LONGEST
        held = repo.get_documents(list(load.acknowledged))
        assert held == {address: record.document for address, record in load.acknowledged.items()}
        heads = repo.store.heads(list(load.newest))
        # A put that was cut off may have moved a head further than was acknowledged, never back.
        for id, address in load.newest.items():
            assert address in {version.address for version in repo.history(id) if version.address}, heads[id]
        result = verify(repo)
        assert result.findings == 0


def test_eight_threads_racing_for_one_head_lose_no_update(
    server: DynamoDB, repositories: Callable[..., Repository], tmp_path: Path
) -> None:
    race_on_one_head([repositories(url_for(server), f"file:{tmp_path / 'f'}").store for _ in range(2)])
