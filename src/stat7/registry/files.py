"""What a URL says about a store of files."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self

from stat7.files.objects.urls import BucketConfig, endpoint, word, yes_or_no
from stat7.registry.urls import Config, InMemory, Location, Reader, number, path_in, whole

if TYPE_CHECKING:
    from stat7.files.base import FileStore
    from stat7.files.memory import MemoryFiles

_FOR_BUCKETS: Final[Mapping[str, Reader]] = {
    "endpoint": endpoint,
    "anonymous": yes_or_no,
    "timeout": number("seconds", 0.1, 600.0),
    "retry": number("seconds", 0.0, 600.0),
    "connections": whole("requests at once", 1, 64),
}

_named: dict[str, MemoryFiles] = {}
_lock = threading.Lock()


class FilesConfig(Config, Protocol):
    """What a URL says about a store of files."""

    def open(self) -> FileStore:
        """The store of files that this describes. Imports the backend; nothing is made before something is stored."""
        ...


class MemoryFilesConfig(InMemory):
    """`memory:` keeps files of its own; `memory:NAME` shares them by that name while the process runs."""

    __slots__ = ()

    def open(self) -> FileStore:
        """See FilesConfig.open."""
        from stat7.files.memory import MemoryFiles

        if not self.name:
            return MemoryFiles()
        with _lock:
            return _named.setdefault(self.name, MemoryFiles())


@dataclass(frozen=True, slots=True)
class LocalFilesConfig:
    """`file:PATH`: a folder of files; the form `file:///PATH` of other programs is understood too."""

    example: ClassVar[str] = "file:library-files"
    readers: ClassVar[Mapping[str, Reader]] = {}

    folder: Path

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if there is no path in it."""
        return cls(path_in(location, cls.example))

    def open(self) -> FileStore:
        """See FilesConfig.open."""
        from stat7.files.local import LocalFiles

        return LocalFiles(self.folder)


class S3Config(BucketConfig):
    """`s3://BUCKET/PREFIX` of Amazon S3, or of what speaks its protocol at `endpoint`. timeout: seconds to wait for an
    answer or a part of one; retry: seconds during which a failed request is tried again; connections: requests of a
    batch at once. Credentials come from the environment unless they are given.
    """

    __slots__ = ()
    example: ClassVar[str] = "s3://bucket/prefix"
    readers: ClassVar[Mapping[str, Reader]] = {
        **_FOR_BUCKETS,
        "region": word,
        "path_style": yes_or_no,
        "access_key_id": word,
        "secret_access_key": word,
    }


class AzureConfig(BucketConfig):
    """`az://CONTAINER/PREFIX` of Azure Blob Storage, in the storage account `account`; else as S3Config."""

    __slots__ = ()
    example: ClassVar[str] = "az://container/prefix"
    readers: ClassVar[Mapping[str, Reader]] = {**_FOR_BUCKETS, "account": word, "account_key": word}


class GoogleConfig(BucketConfig):
    """`gs://BUCKET/PREFIX` of Google Cloud Storage; STORAGE_EMULATOR_HOST is respected. Else as S3Config."""

    __slots__ = ()
    example: ClassVar[str] = "gs://bucket/prefix"
    readers: ClassVar[Mapping[str, Reader]] = _FOR_BUCKETS
