"""Files that travel in parts, and are read in several requests, keep the whole contract too."""

from __future__ import annotations

from pathlib import Path

import pytest

from stat7.files.base import CHUNK, FileStore
from stat7.files.objects.store import ObjectFiles
from stat7.testing.servers import Bucket
from tests.files.buckets import BelowObstore, ObjectFilesSuite


class TestInParts(ObjectFilesSuite):
    """The conformance suite, all files larger than a chunk being large ones."""

    @pytest.fixture(autouse=True)
    def _bucket(self, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(BelowObstore(s3_bucket), monkeypatch)

    def make_store(self, tmp_path: Path) -> FileStore:
        """Under a new prefix."""
        return _in_parts(super().make_store(tmp_path))

    def reopen(self, store: FileStore) -> FileStore:
        """The same prefix."""
        return _in_parts(super().reopen(store))


def _in_parts(store: FileStore) -> ObjectFiles:
    assert isinstance(store, ObjectFiles)
    return ObjectFiles("s3", store._storage, store.prefix, single=CHUNK)
