"""Files on Azure Blob Storage keep the whole contract of a store of files, on a real server (Azurite)."""

from __future__ import annotations

import base64

import pytest

from stat7.address import digest
from stat7.errors import ConfigError, Unavailable
from stat7.registry import open_files
from stat7.testing.servers import AzureServer, Bucket
from tests.files.buckets import BelowObstore, ObjectFilesSuite


class TestAzureFiles(ObjectFilesSuite):
    """The conformance suite."""

    @pytest.fixture(autouse=True)
    def _bucket(self, azure_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(BelowObstore(azure_bucket), monkeypatch)

    def test_it_can_speak_about_its_health(self, azure_server: AzureServer) -> None:
        store = open_files(self.below.bucket.url)
        checks = {check.name: check for check in getattr(store, "diagnose")()}  # noqa: B009
        assert {check.status for check in checks.values()} == {"ok"}
        assert "AZURE_STORAGE_ACCOUNT_KEY" in checks["files credentials"].text
        assert azure_server.key not in str(checks)
        store.close()

    def test_a_missing_container_is_said_so(self) -> None:
        store = open_files("az://missing-container")
        for call in (lambda: store.put(b"x"), lambda: store.open(digest(b"x")), lambda: store.scan(None, 1)):
            with pytest.raises(ConfigError, match="no such bucket"):
                call()
        store.close()

    def test_a_wrong_key_is_said_so_and_not_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wrong = base64.b64encode(b"wrong key").decode()
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", wrong)
        store = open_files(self.below.bucket.url)
        for call in (lambda: store.put(b"x"), lambda: store.stat([digest(b"x")]), lambda: store.scan(None, 1)):
            with pytest.raises(ConfigError, match="credentials") as caught:
                call()
            assert wrong not in str(caught.value)
        store.close()

    def test_a_refused_connection_is_unavailable(self) -> None:
        store = open_files(f"{self.below.bucket.url}?endpoint=http://127.0.0.1:1/account&retry=0.3")
        with pytest.raises(Unavailable, match="can't be reached"):
            store.put(b"x")
        store.close()
