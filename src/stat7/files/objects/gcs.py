"""Google Cloud Storage through the official google-cloud-storage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import Forbidden, NotFound, PreconditionFailed, RequestRangeNotSatisfiable
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Blob, Client
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from stat7.errors import Unavailable
from stat7.files.objects.errors import translating
from stat7.files.objects.storage import ABSENT, PART, PATIENCE, QUICK, ObjectInfo, Target

if TYPE_CHECKING:
    from hashlib import _Hash

_CONNECT_SECONDS: Final = 5.0
_CONNECTIONS: Final = 64
_LISTED_AT_ONCE: Final = 1000
_TRIES: Final = 3
_CONTENT: Final = "application/octet-stream"


class GoogleStorage:
    """An ObjectStorage over one bucket of Google Cloud Storage."""

    copy_limit: int | None = None

    def __init__(self, client: Client, target: Target, source: str) -> None:
        self.place = target.place
        self._adapter = HTTPAdapter(pool_maxsize=_CONNECTIONS)
        for scheme in ("https://", "http://"):
            client._http.mount(scheme, self._adapter)
        self._client = client
        self._bucket = client.bucket(target.bucket)
        self._source = source
        self._seen = False
        # Google's own default is to go on for two minutes.
        retry = DEFAULT_RETRY.with_timeout(target.retry).with_delay(initial=0.1, maximum=2.0, multiplier=2.0)
        connecting = min(_CONNECT_SECONDS, target.timeout)
        self._limits: dict[str, Any] = {"timeout": (connecting, target.timeout), "retry": retry}
        # What is sent in one go must be sent within the time limit, too.
        self._patient: dict[str, Any] = {"timeout": (connecting, target.timeout * PATIENCE), "retry": retry}

    def put_bytes(self, key: str, data: bytes, marks: Mapping[str, str], only_if: str | None = None) -> bool:
        """See ObjectStorage.put_bytes."""
        condition = None if only_if is None else 0 if only_if == ABSENT else int(only_if)
        limits = self._limits if len(data) <= QUICK else self._patient
        with translating(self.place):
            try:
                self._new(key, marks).upload_from_string(
                    data, content_type=_CONTENT, if_generation_match=condition, **limits
                )
            except PreconditionFailed:
                return False
            except NotFound:
                # An object that vanished before it could be overwritten; any other put misses the bucket.
                if not condition:
                    raise
                self._require_bucket()
                return False
        return True

    def put_stream(self, key: str, pieces: Iterable[bytes], marks: Mapping[str, str]) -> None:
        """See ObjectStorage.put_stream."""
        with translating(self.place):
            writer = self._new(key, marks).open(
                "wb", chunk_size=PART, content_type=_CONTENT, ignore_flush=True, **self._patient
            )
            try:
                for piece in pieces:
                    writer.write(piece)
                writer.close()
            except BaseException:
                # Closing would complete the object.
                with suppress(Exception):
                    writer.terminate()
                raise

    def get(self, key: str, start: int, end: int, hashed: _Hash | None = None) -> tuple[ObjectInfo, list[bytes]] | None:
        """See ObjectStorage.get. Two requests: the size doesn't come with the bytes."""
        with translating(self.place):
            for _ in range(_TRIES):
                blob = self._found(key)
                if blob is None:
                    return None
                info, data = _info(blob), self._downloaded(blob, start, end)
                if data is not None:
                    if hashed is not None and start == 0 and info.size <= end:
                        hashed.update(data)
                    return info, [data]
        raise Unavailable(f"{self.place}: {key} is being written by others all the time; try again")

    def head(self, key: str) -> ObjectInfo | None:
        """See ObjectStorage.head."""
        with translating(self.place):
            blob = self._found(key)
        return None if blob is None else _info(blob)

    def copy(self, source: str, target: str, marks: Mapping[str, str]) -> None:
        """See ObjectStorage.copy. A rewrite that tells anything of the target, and the library's does, copies none of
        what the source says of itself."""
        with translating(self.place):
            copied = self._new(target, marks)
            copied.content_type = _CONTENT
            token, _, _ = copied.rewrite(self._bucket.blob(source), **self._patient)
            while token is not None:
                token, _, _ = copied.rewrite(self._bucket.blob(source), token=token, **self._patient)

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStorage.delete."""
        with translating(self.place):
            for key in keys:
                try:
                    self._bucket.blob(key).delete(**self._limits)
                except NotFound:
                    self._require_bucket()

    def erase(self, info: ObjectInfo) -> bool:
        """See ObjectStorage.erase."""
        with translating(self.place):
            try:
                self._bucket.blob(info.key).delete(if_generation_match=int(info.version), **self._limits)
            except PreconditionFailed:
                return False
            except NotFound:
                self._require_bucket()
        return True

    def list(self, folder: str, after: str) -> Iterator[ObjectInfo]:
        """See ObjectStorage.list."""
        with translating(self.place):
            found = self._client.list_blobs(
                self._bucket,
                prefix=f"{folder}/",
                start_offset=after or None,
                page_size=_LISTED_AT_ONCE,
                **self._limits,
            )
            pages = iter(found.pages)
        while True:
            with translating(self.place):
                page = next(pages, None)
            if page is None:
                return
            self._seen = True
            for blob in page:
                # `start_offset` itself belongs to what is listed.
                if blob.name > after:
                    yield _info(blob)

    def keeps_erased(self, key: str) -> str:
        """See ObjectStorage.keeps_erased. Looks at the bucket's settings, if it may."""
        with translating(self.place):
            try:
                self._bucket.reload(**self._limits)
            except Forbidden:
                return ""
        if self._bucket.versioning_enabled:
            return "object versions are kept"
        policy: Any = self._bucket.soft_delete_policy
        seconds = int(policy.retention_duration_seconds or 0)
        return f"soft delete keeps erased objects for {seconds // 86400} days" if seconds else ""

    def credentials(self) -> str:
        """See ObjectStorage.credentials."""
        return self._source

    def close(self) -> None:
        """See ObjectStorage.close."""
        # When a session is closed, urllib3 forgets its pools, but leaves their connections to the collector.
        pools = self._adapter.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118, it can't be iterated
            pools[key].close()
        self._client.close()

    def _new(self, key: str, marks: Mapping[str, str]) -> Blob:
        blob = self._bucket.blob(key)
        blob.metadata = dict(marks)
        return blob

    def _found(self, key: str) -> Blob | None:
        blob = self._bucket.blob(key)
        try:
            blob.reload(**self._limits)
        except NotFound:
            self._require_bucket()
            return None
        self._seen = True
        return blob

    def _downloaded(self, blob: Blob, start: int, end: int) -> bytes | None:
        """The bytes of the generation that was found; None if it has been overwritten or erased since."""
        if start >= int(blob.size or 0):
            return b""
        try:
            data = blob.download_as_bytes(start=start, end=end - 1, raw_download=True, checksum=None, **self._limits)
        except NotFound:
            return None
        except RequestRangeNotSatisfiable:
            return b""
        return bytes(data)

    def _require_bucket(self) -> None:
        """Raise NotFound if it was not for the object that something is missing, but for its bucket."""
        if not self._seen:
            next(iter(self._client.list_blobs(self._bucket, max_results=1, **self._limits)), None)
            self._seen = True


def open_gcs(target: Target) -> GoogleStorage:
    """A bucket of Google Cloud Storage. Credentials are looked for; nothing is asked of the server yet."""
    options: dict[str, Any] = {}
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    if target.endpoint is not None:
        options["client_options"] = ClientOptions(api_endpoint=target.endpoint)
    anonymous = target.anonymous or bool(emulator) or (target.endpoint or "").startswith("http://")
    with translating(target.place):
        if anonymous:
            options["credentials"] = AnonymousCredentials()  # type: ignore[no-untyped-call]
            options["project"] = os.environ.get("GOOGLE_CLOUD_PROJECT") or "none"
        client = Client(**options)
    return GoogleStorage(client, target, _source(anonymous))


def _source(anonymous: bool) -> str:
    if anonymous:
        return "none are used (an emulator, or anonymous=yes)"
    variable = "GOOGLE_APPLICATION_CREDENTIALS"
    return f"the environment ({variable})" if os.environ.get(variable) else "Google's application default credentials"


def _info(blob: Blob) -> ObjectInfo:
    updated = blob.updated
    modified = int(updated.timestamp() * 1000) if isinstance(updated, datetime) else 0
    return ObjectInfo(str(blob.name), int(blob.size or 0), modified, str(blob.generation), dict(blob.metadata or {}))
