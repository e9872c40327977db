"""The few requests that `ObjectFiles` is made of, as every object storage can serve them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from hashlib import _Hash

MEGABYTE: Final = 1024 * 1024

SINGLE: Final = 8 * MEGABYTE
"""Bytes up to which an object is written and read in one request, held in memory; larger ones travel in parts."""

PART: Final = 16 * MEGABYTE
"""Bytes of one part of a larger object; S3 allows 10,000 parts, so 156 GiB an object."""

QUICK: Final = 256 * 1024
"""Bytes that are sent within the time limit of an answer; sending more, or copying, may take PATIENCE times as long."""
PATIENCE: Final = 8

ABSENT: Final = ""
"""As `only_if`: write only where no object is."""


class ObjectInfo(NamedTuple):
    """What a storage tells of an object without its bytes."""

    key: str
    size: int
    """Bytes."""
    modified: int
    """When it was written, by the storage's clock: ms since 1970."""
    version: str
    """Changes whenever the object is written; for `only_if`."""
    marks: Mapping[str, str] | None
    """The small texts written with it; None where a listing doesn't show them."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which bucket is meant, and how to speak to it. Nothing of it but `place` may be shown.

    Times are seconds: `timeout` is how long one answer, or one part of one, may be waited for (PATIENCE times that
    while more than QUICK bytes are sent or an object is copied), `retry` how long a request that failed is tried again;
    a request that times out after that is not.
    """

    bucket: str
    place: str
    """For messages: the URL without its options, and the endpoint if it isn't the usual one."""
    endpoint: str | None = None
    region: str | None = None
    account: str | None = None
    path_style: bool = True
    anonymous: bool = False
    timeout: float = 15.0
    retry: float = 10.0
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Credentials by the client library's own names; empty: from the environment, as the library looks for them."""


class ObjectStorage(Protocol):
    """One bucket. Any number of threads may use it. Raises only errors of stat7.errors, in bounded time.

    Keys are of letters, digits and `/.-_`; marks have short lower-case names and short values of ASCII.
    """

    place: str
    """For messages: which bucket this is."""
    copy_limit: int | None
    """Bytes up to which `copy` works, None for any number."""

    def put_bytes(self, key: str, data: bytes, marks: Mapping[str, str], only_if: str | None = None) -> bool:
        """Write an object in one request. `only_if`: only where none is (ABSENT), or only over that version of it;
        False if it is not so, and nothing was written."""
        ...

    def put_stream(self, key: str, pieces: Iterable[bytes], marks: Mapping[str, str]) -> None:
        """Write an object in parts, in constant memory; if `pieces` raises, that is raised and no object appears."""
        ...

    def get(self, key: str, start: int, end: int, hashed: _Hash | None = None) -> tuple[ObjectInfo, list[bytes]] | None:
        """The bytes from `start` up to `end` in order, fewer if the object ends before; None if there is no object.

        `hashed`: takes them as they arrive, if they are the whole object.
        """
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of an object; None if there is none."""
        ...

    def copy(self, source: str, target: str, marks: Mapping[str, str]) -> None:
        """Write what `source` holds to `target`, inside the storage, with `marks`, which those of `source` must be."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Erase objects; those that aren't there are ignored."""
        ...

    def erase(self, info: ObjectInfo) -> bool:
        """Erase an object as it was then; False if it has been written since, as far as the storage can tell."""
        ...

    def list(self, folder: str, after: str) -> Iterator[ObjectInfo]:
        """The objects whose keys begin with `folder` and a slash and come after `after`, by key; fetched as asked."""
        ...

    def keeps_erased(self, key: str) -> str:
        """Why bytes survive when they are erased or overwritten ("object versions are kept"); "" if they don't.

        May write `key`.
        """
        ...

    def credentials(self) -> str:
        """Where the credentials come from, in a few words that hold none of them."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...
