"""Buckets of real servers for tests of object storage: stores in them, and looking and meddling below the stores."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from stat7.files.base import CHUNK, FileStore
from stat7.files.objects.layout import MARKER
from stat7.files.objects.storage import SINGLE
from stat7.files.objects.store import ObjectFiles
from stat7.files.wrapping import FilesWrapper
from stat7.registry import open_files
from stat7.testing.file_store_suite import FileStoreSuite
from stat7.testing.file_suite import content
from stat7.testing.required import need_driver
from stat7.testing.servers import Bucket, FaultProxy

SMALL = content(400)
LARGE = content(SINGLE + CHUNK + 17)
"""A file that travels in parts."""
Placed: TypeAlias = tuple[ObjectFiles, FaultProxy]
"""A store and the proxy before its server."""


class Below(ABC):
    """The objects of one bucket, by means of other ways than the store's own code."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """An object's bytes, None if there is none."""

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Write an object as others would: without marks."""

    @abstractmethod
    def erase(self, key: str) -> None:
        """Erase an object."""


class BelowObstore(Below):
    """Through obstore itself; for S3 and Azure."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket)
        need_driver("s3" if bucket.url.startswith("s3:") else "azure", "obstore")
        from obstore.store import AzureStore, S3Store

        options: dict[str, Any] = {"client_options": {"allow_http": True}}
        of = bucket.environment
        if bucket.url.startswith("s3:"):
            keys: Any = {"access_key_id": of["AWS_ACCESS_KEY_ID"], "secret_access_key": of["AWS_SECRET_ACCESS_KEY"]}
            self.client: Any = S3Store(bucket.name, endpoint=of["AWS_ENDPOINT_URL"], **keys, **options)
        else:
            account: Any = {
                "account_name": of["AZURE_STORAGE_ACCOUNT_NAME"],
                "account_key": of["AZURE_STORAGE_ACCOUNT_KEY"],
            }
            self.client = AzureStore(bucket.name, endpoint=of["AZURE_STORAGE_ENDPOINT"], **account, **options)

    def read(self, key: str) -> bytes | None:
        """See Below.read."""
        try:
            return bytes(self.client.get(key).bytes())
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """See Below.write."""
        self.client.put(key, data)

    def erase(self, key: str) -> None:
        """See Below.erase."""
        self.client.delete(key)


class BelowGoogle(Below):
    """Through google-cloud-storage itself."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket)
        need_driver("gcs", "google_crc32c")
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        options = {"api_endpoint": bucket.endpoint}
        client: Any = Client(project="test", credentials=AnonymousCredentials(), client_options=options)  # type: ignore[no-untyped-call]
        self.client: Any = client.bucket(bucket.name)

    def read(self, key: str) -> bytes | None:
        """See Below.read."""
        from google.api_core.exceptions import NotFound

        try:
            return bytes(self.client.blob(key).download_as_bytes())
        except NotFound:
            return None

    def write(self, key: str, data: bytes) -> None:
        """See Below.write."""
        self.client.blob(key).upload_from_string(data)

    def erase(self, key: str) -> None:
        """See Below.erase."""
        self.client.blob(key).delete()


class ObjectFilesSuite(FileStoreSuite):
    """The conformance suite on a bucket; every store of a test has a prefix of its own."""

    examples = 3
    steps = 20
    below: Below

    def use(self, below: Below, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the stores of this test be in that bucket."""
        self.below = below
        for name, value in below.bucket.environment.items():
            monkeypatch.setenv(name, value)

    def make_store(self, tmp_path: Path) -> FileStore:
        """Under a new prefix."""
        return open_files(f"{self.below.bucket.url}/{secrets.token_hex(4)}/files")

    def reopen(self, store: FileStore) -> FileStore:
        """The same prefix."""
        prefix = prefix_of(store)
        store.close()
        return open_files(f"{self.below.bucket.url}/{prefix}")

    def raw_bytes(self, store: FileStore, sha256: str) -> bytes | None:
        """From the bucket; the marker stands for bytes that are gone."""
        data = self.below.read(f"{prefix_of(store)}files/{sha256}")
        return None if data == MARKER else data

    def damage(self, store: FileStore, sha256: str, data: bytes) -> None:
        """In the bucket."""
        self.below.write(f"{prefix_of(store)}files/{sha256}", data)

    def raw_table(self, store: FileStore, sha256: str) -> bytes | None:
        """From the bucket."""
        return self.below.read(f"{prefix_of(store)}chunks/{sha256}")

    def damage_table(self, store: FileStore, sha256: str, table: bytes | None) -> None:
        """In the bucket."""
        key = f"{prefix_of(store)}chunks/{sha256}"
        if table is None:
            self.below.erase(key)
        else:
            self.below.write(key, table)

    def leave_unfinished(self, store: FileStore) -> int:
        """A temporary object, a table and a time without a file."""
        for key in ("incoming/0123456789abcdef", f"chunks/{'0' * 64}", f"times/{'1' * 64}"):
            self.below.write(f"{prefix_of(store)}{key}", b"left")
        return 3


def prefix_of(store: FileStore) -> str:
    """The prefix of all its keys; the store may be wrapped."""
    while isinstance(store, FilesWrapper):
        store = store.inner
    assert isinstance(store, ObjectFiles)
    return store.prefix


def open_at(bucket: Bucket, options: str = "") -> ObjectFiles:
    """A store in that bucket, by its URL alone."""
    store = open_files(f"{bucket.url}/files?{options}")
    assert isinstance(store, ObjectFiles)
    return store
