"""Files on S3 keep the whole contract of a store of files, on a real server (versitygw)."""

from __future__ import annotations

import pytest

from stat7.testing.servers import Bucket
from tests.files.buckets import BelowObstore, ObjectFilesSuite


class TestS3Files(ObjectFilesSuite):
    """The conformance suite."""

    @pytest.fixture(autouse=True)
    def _bucket(self, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(BelowObstore(s3_bucket), monkeypatch)
