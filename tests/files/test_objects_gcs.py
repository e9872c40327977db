"""Files on Google Cloud Storage keep the whole contract of a store of files, on a real server (fake-gcs-server)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stat7.address import digest
from stat7.errors import ConfigError, Unavailable
from stat7.files.base import CHUNK, FileStore
from stat7.files.objects.store import ObjectFiles
from stat7.registry import open_files
from stat7.testing.file_suite import content, read
from stat7.testing.servers import Bucket, FaultProxy, GcsServer, Server
from tests.files.buckets import BelowGoogle, ObjectFilesSuite


class TestGoogleFiles(ObjectFilesSuite):
    """The conformance suite, all files larger than a chunk being written in parts."""

    @pytest.fixture(autouse=True)
    def _bucket(self, gcs_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(BelowGoogle(gcs_bucket), monkeypatch)

    def make_store(self, tmp_path: Path) -> FileStore:
        """Under a new prefix."""
        return _in_parts(super().make_store(tmp_path))

    def reopen(self, store: FileStore) -> FileStore:
        """The same prefix."""
        return _in_parts(super().reopen(store))

    def test_it_can_speak_about_its_health(self) -> None:
        store = open_files(self.below.bucket.url)
        checks = {check.name: check.status for check in _checks(store)}
        assert checks == dict.fromkeys(checks, "ok")
        client: Any = getattr(self.below, "client")  # noqa: B009
        client.versioning_enabled = True
        client.patch()
        told = {check.name: check for check in _checks(store)}
        assert told["files versions"].status == "warn"
        assert "object versions are kept" in told["files versions"].text
        store.close()

    def test_a_missing_bucket_is_said_so(self) -> None:
        store = open_files("gs://missing-bucket")
        for call in (lambda: store.put(b"x"), lambda: store.open(digest(b"x")), lambda: store.scan(None, 1)):
            with pytest.raises(ConfigError, match="no such bucket"):
                call()
        assert next(check.status for check in _checks(store)) == "fail"
        store.close()

    @pytest.mark.parametrize("fault", ["refused", "silent", "500", "503"])
    def test_a_server_in_trouble_is_unavailable_and_recovers(
        self,
        fault: str,
        gcs_server: GcsServer,
        fault_proxy: Callable[[Server | tuple[str, int]], FaultProxy],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        proxy = fault_proxy(gcs_server)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        store = open_files(f"{self.below.bucket.url}/faults?timeout=0.7&retry=0.5")
        stored = store.put(content(CHUNK))
        break_off: dict[str, Callable[[], None]] = {
            "refused": proxy.refuse,
            "silent": proxy.freeze,
            "500": lambda: proxy.answer(500),
            "503": lambda: proxy.answer(503),
        }
        break_off[fault]()
        for call in (
            lambda: store.put(b"x"),
            lambda: store.open(stored.sha256),
            lambda: store.stat([stored.sha256]),
            lambda: store.scan(None, 1),
        ):
            with pytest.raises(Unavailable) as caught:
                call()
            assert str(caught.value).startswith("gs://")
        proxy.cut()
        proxy.heal()
        assert read(store, stored.sha256) == content(CHUNK)
        store.close()


def _in_parts(store: FileStore) -> ObjectFiles:
    assert isinstance(store, ObjectFiles)
    return ObjectFiles("gs", store._storage, store.prefix, single=CHUNK)


def _checks(store: FileStore) -> list[Any]:
    assert isinstance(store, ObjectFiles)
    return list(store.diagnose())


def test_a_file_that_is_overwritten_while_it_is_read_is_read_anew(
    gcs_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = _use(gcs_bucket, monkeypatch)
    from google.api_core.exceptions import NotFound
    from google.cloud.storage import Blob

    store = open_files(f"{gcs_bucket.url}/files")
    data = content(400)
    name = store.put(data).sha256
    real, times = Blob.download_as_bytes, [2]

    def overtaken(blob: Any, *args: Any, **options: Any) -> Any:
        if times[0]:
            times[0] -= 1
            below.write(f"files/files/{name}", data)
            # As Google's service has it; the server of the tests gives out the new bytes.
            assert blob.generation is not None
            raise NotFound("no such generation")  # type: ignore[no-untyped-call]
        return real(blob, *args, **options)

    monkeypatch.setattr(Blob, "download_as_bytes", overtaken)
    assert read(store, name) == data
    assert times == [0]
    times[0] = 3
    with pytest.raises(Unavailable, match="written by others"):
        store.open(name)
    times[0] = 0
    assert read(store, name) == data
    store.close()


def test_a_copy_is_told_marks_and_content_type(gcs_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    below = _use(gcs_bucket, monkeypatch)
    store = open_files(f"{gcs_bucket.url}/files")
    assert isinstance(store, ObjectFiles)
    store._layout.single = CHUNK
    connection, sent = below.client.client._connection, []
    real = type(connection).api_request

    def watched(connection: Any, *args: Any, **options: Any) -> Any:
        if "/rewriteTo/" in options.get("path", ""):
            sent.append(options["data"])
        return real(connection, *args, **options)

    monkeypatch.setattr(type(connection), "api_request", watched)
    stored = store.put([content(CHUNK), b"more"])
    # Google's service takes what a rewrite says of the target as all there is to say.
    (told,) = sent
    assert told["contentType"] == "application/octet-stream"
    assert told["metadata"] == {"stat7time": str(stored.stored_at)}
    assert store.stat([stored.sha256]) == {stored.sha256: stored}
    store.close()


def test_gc_leaves_a_file_that_was_written_after_its_last_look(
    gcs_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = _use(gcs_bucket, monkeypatch)
    from google.api_core.exceptions import PreconditionFailed

    store = open_files(f"{gcs_bucket.url}/files")
    assert isinstance(store, ObjectFiles)
    stored = store.put(content(400))
    connection, told = below.client.client._connection, []
    real = type(connection).api_request

    def watched(connection: Any, *args: Any, **options: Any) -> Any:
        if options["method"] == "DELETE":
            # Which the server of the tests takes no notice of.
            told.append(options["query_params"]["ifGenerationMatch"])
            raise PreconditionFailed("overwritten")  # type: ignore[no-untyped-call]
        return real(connection, *args, **options)

    info = store._storage.head(f"files/files/{stored.sha256}")
    monkeypatch.setattr(type(connection), "api_request", watched)
    assert store.delete([stored.sha256], stored.stored_at + 1) == set()
    assert info is not None
    assert told == [int(info.version)]
    assert read(store, stored.sha256) == content(400)
    store.close()


def _use(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> BelowGoogle:
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return BelowGoogle(bucket)
