"""HttpFiles keeps the whole contract of a store of files over a real gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from stat7.address import digest
from stat7.errors import Corrupt, Gone, InvalidQuery, NotFound, Unavailable, Unsupported
from stat7.files.base import CHUNK, FileStore
from stat7.files.http import HttpFiles
from stat7.files.memory import MemoryFiles
from stat7.gateway.settings import Limits
from stat7.record import Notice
from stat7.registry import open_files
from stat7.stores.memory import MemoryStore
from stat7.testing.file_store_suite import FileStoreSuite
from stat7.testing.file_suite import content, read
from stat7.testing.samples import HOSTILE_IDS, notice
from tests.gateways import Gateways, Served
from tests.liars import Asked, Liar, Reply, http, lying, problem, says


class TestHttpFiles(FileStoreSuite):
    """The conformance suite; meddling below the store is meddling with what is behind the gateway."""

    examples = 6
    time_step = 0.003

    @pytest.fixture(autouse=True)
    def _gateways(self, gateways: Gateways) -> None:
        self.gateways = gateways

    def make_store(self, tmp_path: Path) -> FileStore:
        """Behind a gateway of its own."""
        return open_files(self.gateways.add(MemoryStore(), MemoryFiles()).keyed())

    def reopen(self, store: FileStore) -> FileStore:
        """The client alone: what is behind the gateway has a suite of its own."""
        store.close()
        return open_files(self._served(store).keyed())

    def raw_bytes(self, store: FileStore, sha256: str) -> bytes | None:
        """From the dict behind the gateway."""
        held = self._below(store)._files.get(sha256)
        return None if held is None else held.data

    def damage(self, store: FileStore, sha256: str, data: bytes) -> None:
        """In the dict behind the gateway."""
        self._below(store)._files[sha256].data = data

    def raw_table(self, store: FileStore, sha256: str) -> bytes | None:
        """From the dict behind the gateway."""
        held = self._below(store)._files.get(sha256)
        return None if held is None else held.table

    def damage_table(self, store: FileStore, sha256: str, table: bytes | None) -> None:
        """In the dict behind the gateway."""
        self._below(store)._files[sha256].table = table

    def test_notices_keep_any_text(self, store: FileStore) -> None:
        """What the façade lets nobody write, a case of several lines say, a gateway may refuse: it alters nothing."""
        for text in (*HOSTILE_IDS, "line\nbreak", "\x00", "", "x" * 10_000):
            name = digest(f"file {text}".encode())
            told = Notice(name, text, f"because of {text}", "2026-02-03T04:05:06.789Z")
            plain = text.isprintable() and text.strip()
            with nullcontext() if plain else suppress(InvalidQuery):
                store.withdraw([told])
                assert store.stat([name]) == {name: told}

    def _served(self, store: FileStore) -> Served:
        assert isinstance(store, HttpFiles)
        return self.gateways.of(store.connection.url)

    def _below(self, store: FileStore) -> MemoryFiles:
        below = self._served(store).files
        assert isinstance(below, MemoryFiles)
        return below


BIG = 2 * CHUNK + 17
BYTES = "application/octet-stream"


@pytest.fixture
def liar() -> Iterator[Liar]:
    """A server that says whatever it is told to."""
    with lying() as made:
        yield made


def opened(liar: Liar, options: str = "retry=0") -> HttpFiles:
    """A client of the liar."""
    files = open_files(liar.url(options))
    assert isinstance(files, HttpFiles)
    return files


def part(data: bytes, start: int, end: int, sent: int | None = None) -> bytes:
    """An answer to a range, of which only `sent` bytes come."""
    told = {"Content_Length": end - start, "Content_Range": f"bytes {start}-{end - 1}/{len(data)}"}
    return http(data[start:end][:sent], BYTES, 206, **told)


def test_a_file_is_stored_by_what_a_write_key_may_do(gateways: Gateways) -> None:
    served = gateways.add(MemoryStore(), MemoryFiles())
    files = open_files(served.keyed("write"))
    name = files.put(b"bytes").sha256
    assert served.files.stat([name]).keys() == {name}
    files.close()


def test_what_is_larger_than_the_gateway_takes_is_unsupported(gateways: Gateways) -> None:
    files = open_files(gateways.add(MemoryStore(), MemoryFiles(), limits=Limits(file=CHUNK)).keyed())
    for source in (content(BIG), iter([content(BIG)])):
        with pytest.raises(Unsupported, match="limits are raised where it is started"):
            files.put(source)
    assert files.put(content(CHUNK)).size == CHUNK
    files.close()


@pytest.mark.parametrize("size", [1, CHUNK, BIG])
def test_other_bytes_than_the_name_says_do_not_leave_whole(liar: Liar, size: int) -> None:
    data, wrong = content(size), content(size, seed=2)
    liar.says(http(wrong, BYTES))
    got: list[bytes] = []
    with pytest.raises(Corrupt) as caught:
        got.extend(opened(liar).open(digest(data)))
    assert (caught.value.address, caught.value.found) == (digest(data), digest(wrong))
    assert sum(map(len, got)) <= max(size - 17, 0) if size > CHUNK else got == []


def test_a_range_that_is_the_whole_is_hashed_too(liar: Liar) -> None:
    data = content(400)
    liar.says(part(content(400, seed=2), 0, 400))
    with pytest.raises(Corrupt):
        opened(liar).open(digest(data), 0, 400)


def test_a_download_that_breaks_off_goes_on_where_it_was(liar: Liar) -> None:
    data = content(3 * CHUNK)
    cut = CHUNK + 5
    liar.says(
        http(data[:cut], BYTES, Content_Length=len(data)),
        part(data, CHUNK, len(data), CHUNK),
        part(data, 2 * CHUNK, len(data)),
    )
    assert read(opened(liar, "retry=5"), digest(data)) == data
    assert [asked.headers.get("range") for asked in liar.asked] == [
        None, f"bytes={CHUNK}-{len(data) - 1}", f"bytes={2 * CHUNK}-{len(data) - 1}",
    ]  # fmt: skip
    assert all(asked.headers["accept-encoding"] == "identity" for asked in liar.asked)


def test_a_download_that_never_gets_on_is_unavailable(liar: Liar) -> None:
    data = content(3 * CHUNK)
    liar.says(http(data[: 2 * CHUNK], BYTES, Content_Length=len(data)), part(data, 2 * CHUNK, len(data), 0))
    pieces = opened(liar, "retry=0.3").open(digest(data))
    assert next(pieces) == data[:CHUNK]
    with pytest.raises(Unavailable):
        next(pieces)


def test_damage_met_half_way_is_told_as_such(liar: Liar) -> None:
    data = content(3 * CHUNK)
    damaged = problem("corrupt", 500, address=digest(data), found="other")
    liar.says(http(data[: 2 * CHUNK + 9], BYTES, Content_Length=len(data)), damaged)
    pieces = opened(liar, "retry=5").open(digest(data))
    assert next(pieces) == data[:CHUNK]
    with pytest.raises(Corrupt, match="other"):
        next(pieces)


@pytest.mark.parametrize(
    "reply",
    [
        http(b"12345", BYTES, 206, Content_Length=None),
        http(b"12345", BYTES, 200),
        part(content(400), 2, 7),
        part(content(400), 1, 7),
        part(content(4), 0, 9),
        http(b"12345", BYTES, 206, Content_Range="bytes 1-5/*"),
        http(b"12345", BYTES, 206, Content_Range="bytes 1-5/400", Content_Encoding="gzip"),
        http(b"1234", BYTES, 206, Content_Range="bytes 1-5/400"),
        problem("not-found", 404, what="b" * 64),
        problem("withdrawn", 410, notice=notice("b" * 64)._asdict()),
        http(b"gone", "text/plain", 404),
    ],
)
def test_ranges_that_nobody_asked_for_are_not_believed(liar: Liar, reply: bytes) -> None:
    liar.says(reply)
    with pytest.raises(Unavailable) as caught:
        opened(liar).open(digest(b"x"), 1, 6)
    assert type(caught.value) is Unavailable


def test_missing_and_withdrawn_files_are_told_apart(liar: Liar) -> None:
    name = digest(b"x")
    liar.says(problem("not-found", 404, what=name))
    with pytest.raises(NotFound):
        opened(liar).open(name)
    liar.says(problem("withdrawn", 410, notice=notice(name)._asdict()))
    with pytest.raises(Gone):
        opened(liar).open(name)


def test_an_upload_is_sent_again_only_if_it_is_at_hand(liar: Liar, tmp_path: Path) -> None:
    data = content(400)
    path = tmp_path / "file"
    path.write_bytes(data)
    stored = says({"sha256": digest(data), "size": 400, "stored_at": 7}, 201)
    for source in (data, path):
        liar.says(b"", stored)
        assert opened(liar, "retry=5").put(source) == (digest(data), 400, 7)
        assert [asked.body for asked in liar.asked] == [data, data]
    liar.says(b"", stored)
    with pytest.raises(Unavailable):
        opened(liar, "retry=5").put(iter([data]))
    assert len(liar.asked) == 1


def test_a_gateway_that_cannot_be_reached_leaves_a_stream_untouched(liar: Liar) -> None:
    files, source = opened(liar, "retry=0.2"), iter([b"x"])
    liar.close()
    with pytest.raises(Unavailable, match="can't connect"):
        files.put(source)
    assert next(source) == b"x"


@pytest.mark.parametrize(
    "told",
    [{}, {"sha256": digest(b"other"), "size": 400, "stored_at": 7}, {"sha256": digest(content(400)), "size": 1},
     {"sha256": digest(content(400)), "size": 401, "stored_at": 7}, []],
)  # fmt: skip
def test_another_file_than_was_sent_is_not_believed_to_be_stored(liar: Liar, told: object) -> None:
    liar.says(says(told, 201))
    with pytest.raises(Unavailable, match="no answer of a stat7 gateway"):
        opened(liar).put(content(400))


def test_a_gateway_that_hangs_up_on_a_withdrawn_file_is_understood(liar: Liar) -> None:
    data = content(400)

    def answer(asked: Asked) -> Reply:
        return b"" if asked.method == "PUT" else says({digest(data): notice(digest(data))._asdict()})

    liar.answer = answer
    with pytest.raises(Gone):
        opened(liar).put(data, sha256=digest(data))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda files, name: files.stat([name]), {digest(b"y"): {"sha256": digest(b"y"), "size": 1, "stored_at": 1}}),
        (lambda files, name: files.stat([name]), {digest(b"x"): {"sha256": digest(b"y"), "size": 1, "stored_at": 1}}),
        (lambda files, name: files.stat([name]), {digest(b"x"): {"sha256": digest(b"x"), "size": -1, "stored_at": 1}}),
        (lambda files, name: files.refresh([name]), [digest(b"y")]),
        (lambda files, name: files.delete([name]), {"deleted": 1}),
        (lambda files, name: files.scan(None, 1), {"items": [{"sha256": "x"}], "cursor": None}),
        (lambda files, name: files.sweep(1), {"swept": "all"}),
    ],
)
def test_answers_that_cannot_be_are_not_believed(
    liar: Liar, call: Callable[[HttpFiles, str], object], told: object
) -> None:
    liar.says(says(told))
    with pytest.raises(Unavailable, match="no answer of a stat7 gateway"):
        call(opened(liar), digest(b"x"))
