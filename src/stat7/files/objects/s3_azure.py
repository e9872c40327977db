"""S3 and Azure Blob Storage through obstore.

A process that was forked after obstore's first use would hang in it for ever, so there it is refused. Ctrl-C is noticed
when a request has ended, which the time limits bound.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, PreconditionError
from obstore.store import AzureStore, S3Store

from stat7.errors import ConfigError, Unsupported
from stat7.files.base import CHUNK
from stat7.files.objects.errors import is_beyond_the_end, status_of, translating
from stat7.files.objects.handover import Handover
from stat7.files.objects.storage import ABSENT, MEGABYTE, PART, PATIENCE, QUICK, ObjectInfo, Target

if TYPE_CHECKING:
    from hashlib import _Hash

_CONNECT_SECONDS: Final = 5.0
_PARTS_AT_ONCE: Final = 3
_LISTED_AT_ONCE: Final = 1000
_BLOCK: Final = CHUNK // 4
_S3_COPY_LIMIT: Final = 1024 * MEGABYTE
"""S3 itself allows 5 GiB, but says nothing until all is copied."""
_CONTENT: Final = "application/octet-stream"
_Store: TypeAlias = S3Store | AzureStore
_first_used_by: int | None = None


class ObstoreStorage:
    """An ObjectStorage over one of obstore's stores; `patient` is the same with longer time limits.

    obstore deletes without conditions, so `erase` can't tell whether the object has been written since.
    """

    def __init__(self, store: _Store, patient: _Store, target: Target, source: str, copy_limit: int | None) -> None:
        self.place = target.place
        self.copy_limit = copy_limit
        self._store = store
        self._patient = patient
        self._source = source
        self._seen = False

    def put_bytes(self, key: str, data: bytes, marks: Mapping[str, str], only_if: str | None = None) -> bool:
        """See ObjectStorage.put_bytes."""
        store = self._store if len(data) <= QUICK else self._patient
        mode: Any = None
        if only_if is not None:
            mode = "create" if only_if == ABSENT else {"e_tag": only_if}
        with self._asking():
            try:
                obstore.put(store, key, data, attributes=_attributes(marks), mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            except FileNotFoundError:
                # An object that vanished before it could be overwritten; any other put misses the bucket.
                if only_if in (None, ABSENT) or not self._bucket_exists():
                    raise
                return False
            except GenericError as error:
                # 409: S3 saw another conditional write of the same key under way.
                if only_if is None or status_of(error) != 409:
                    raise
                return False
        return True

    def put_stream(self, key: str, pieces: Iterable[bytes], marks: Mapping[str, str]) -> None:
        """See ObjectStorage.put_stream."""

        def send(taken: Iterator[bytes]) -> None:
            limits: Any = {"chunk_size": PART, "max_concurrency": _PARTS_AT_ONCE}
            obstore.put(self._patient, key, taken, attributes=_attributes(marks), use_multipart=True, **limits)

        with self._asking():
            Handover(send).run(pieces)

    def get(self, key: str, start: int, end: int, hashed: _Hash | None = None) -> tuple[ObjectInfo, list[bytes]] | None:
        """See ObjectStorage.get."""
        with self._asking():
            try:
                found = obstore.get(self._store, key, options={"range": (start, end)})
                info = _info(found.meta, found.attributes)
                return info, _taken(found, hashed if start == 0 and info.size <= end else None)
            except FileNotFoundError:
                self._require_bucket()
                return None
            except GenericError as error:
                if not is_beyond_the_end(error):
                    raise
        empty = self.head(key)
        return None if empty is None else (empty, [])

    def head(self, key: str) -> ObjectInfo | None:
        """See ObjectStorage.head."""
        with self._asking():
            try:
                found = obstore.get(self._store, key, options={"head": True})
            except FileNotFoundError:
                self._require_bucket()
                return None
            return _info(found.meta, found.attributes)

    def copy(self, source: str, target: str, marks: Mapping[str, str]) -> None:
        """See ObjectStorage.copy. Both services copy the marks by themselves."""
        with self._asking():
            obstore.copy(self._patient, source, target)

    def delete(self, keys: Sequence[str]) -> None:
        """See ObjectStorage.delete."""
        with self._asking():
            if isinstance(self._store, S3Store):
                for at in range(0, len(keys), _LISTED_AT_ONCE):
                    obstore.delete(self._store, keys[at : at + _LISTED_AT_ONCE])
                return
            for key in keys:
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError:
                    self._require_bucket()

    def erase(self, info: ObjectInfo) -> bool:
        """See ObjectStorage.erase."""
        self.delete([info.key])
        return True

    def list(self, folder: str, after: str) -> Iterator[ObjectInfo]:
        """See ObjectStorage.list."""
        with self._asking():
            pages = iter(obstore.list(self._store, folder, offset=after or None, chunk_size=_LISTED_AT_ONCE))
        while True:
            with self._asking():
                page = next(pages, None)
            if page is None:
                return
            self._seen = True
            for meta in page:
                # Some servers, Azurite is one, give everything from the beginning.
                if meta["path"] > after:
                    yield _info(meta, None)

    def keeps_erased(self, key: str) -> str:
        """See ObjectStorage.keeps_erased. Azure's soft delete can't be seen through obstore."""
        with self._asking():
            version = obstore.put(self._store, key, b"stat7 doctor", use_multipart=False)["version"]
        return "object versions are kept" if version not in (None, "", "null") else ""

    def credentials(self) -> str:
        """See ObjectStorage.credentials."""
        return self._source

    def close(self) -> None:
        """See ObjectStorage.close. obstore closes idle connections by itself."""

    def _asking(self) -> Any:
        _refuse_forked()
        return translating(self.place)

    def _require_bucket(self) -> None:
        """Raise FileNotFoundError if it was not for the object that something is missing, but for its bucket."""
        if not self._seen and not self._bucket_exists():
            raise FileNotFoundError

    def _bucket_exists(self) -> bool:
        """Raises what any other request may raise."""
        try:
            next(iter(obstore.list(self._store, "layout", chunk_size=1)), None)
        except FileNotFoundError:
            return False
        except GenericError as error:
            if status_of(error) != 404:
                raise
            return False
        self._seen = True
        return True


def open_s3(target: Target) -> ObstoreStorage:
    """A bucket of S3 or of what speaks its protocol. Nothing is asked of the server yet."""
    config: dict[str, Any] = dict(target.secrets)
    config["virtual_hosted_style_request"] = not target.path_style
    config |= _given(endpoint=target.endpoint, region=target.region, skip_signature=target.anonymous or None)
    with _configuring(target):
        limits = (_limits(target, _S3_ENDPOINTS, times) for times in (1, PATIENCE))
        store, patient = (S3Store(target.bucket, config=config, **each) for each in limits)  # type: ignore[arg-type]
    source = _source(target, _S3_SOURCES, "the instance it runs on")
    return ObstoreStorage(store, patient, target, source, _S3_COPY_LIMIT)


def open_azure(target: Target) -> ObstoreStorage:
    """A container of Azure Blob Storage. Nothing is asked of the server yet."""
    config: dict[str, Any] = dict(target.secrets)
    config |= _given(endpoint=target.endpoint, account_name=target.account, skip_signature=target.anonymous or None)
    if not (target.account or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")):
        advice = "add account=NAME, or set AZURE_STORAGE_ACCOUNT_NAME"
        raise ConfigError(f"{target.place}: in which storage account is this? {advice}")
    with _configuring(target):
        limits = (_limits(target, _AZURE_ENDPOINTS, times) for times in (1, PATIENCE))
        store, patient = (AzureStore(target.bucket, config=config, **each) for each in limits)  # type: ignore[arg-type]
    return ObstoreStorage(store, patient, target, _source(target, _AZURE_SOURCES, "the managed identity"), None)


_S3_SOURCES: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_S3_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_AZURE_ENDPOINTS: Final = ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
_AZURE_SOURCES: Final = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_USE_AZURE_CLI",
)


@contextmanager
def _configuring(target: Target) -> Iterator[None]:
    """No server is asked yet: whatever goes wrong here is a matter of settings."""
    try:
        yield
    except (BaseError, ValueError):
        reason = "obstore refuses the URL, its options, or what it finds in the environment; correct them"
        raise ConfigError(f"{target.place}: {reason}") from None


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _source(target: Target, variables: Sequence[str], otherwise: str) -> str:
    if target.anonymous:
        return "none are used (anonymous=yes)"
    if target.secrets:
        return "the URL"
    return next((f"the environment ({name})" for name in variables if os.environ.get(name)), otherwise)


def _limits(target: Target, variables: Sequence[str], times: int) -> dict[str, Any]:
    """obstore's read timeout runs while a request is sent, too."""
    endpoint = target.endpoint or next(filter(None, map(os.environ.get, variables)), "")
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, target.timeout)),
        "read_timeout": timedelta(seconds=target.timeout * times),
        # This one bounds a whole answer however large, and a reader may take its time: the read timeout is the guard.
        "timeout": timedelta(days=1),
    }
    if endpoint.startswith("http://"):
        client["allow_http"] = True
    pauses = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2}
    retry = {"max_retries": 10, "retry_timeout": timedelta(seconds=target.retry), "backoff": pauses}
    return {"client_options": client, "retry_config": retry}


def _refuse_forked() -> None:
    global _first_used_by  # noqa: PLW0603
    if _first_used_by is None:
        _first_used_by = os.getpid()
    elif _first_used_by != os.getpid():
        raise Unsupported("object storage in a process that was forked after its use", "start processes by `spawn`")


def _taken(found: Any, hashed: _Hash | None) -> list[bytes]:
    """The bytes of an answer, hashed while the rest of them is on its way."""
    if hashed is None or found.meta["size"] <= CHUNK:
        data = found.bytes().to_bytes()
        if hashed is not None:
            hashed.update(data)
        return [data]
    taken = []
    for block in found.stream(min_chunk_size=_BLOCK):
        taken.append(bytes(block))
        hashed.update(taken[-1])
    return taken


def _info(meta: Any, attributes: Mapping[str, str] | None) -> ObjectInfo:
    marks = None if attributes is None else _marks(attributes.get("Content-Type", ""))
    modified = int(meta["last_modified"].timestamp() * 1000)
    return ObjectInfo(meta["path"], meta["size"], modified, meta["e_tag"] or "", marks)


def _attributes(marks: Mapping[str, str]) -> Any:
    """Marks travel as parameters of the content type: every server keeps that anyway, and fields of metadata cost some
    of them, versitygw is one, as much as a tenth of storing a small object."""
    return {"Content-Type": "; ".join([_CONTENT, *(f"{name}={value}" for name, value in marks.items())])}


def _marks(content_type: str) -> dict[str, str]:
    fields = (field.strip().partition("=") for field in content_type.split(";")[1:])
    return {name.lower(): value for name, _, value in fields}
