"""A store of files that mends itself from another copy as it is read.

A file whose bytes are damaged is taken whole from the replica, hashed on the way, written back and read again from
where the damage was met. What is simply not there is not fetched. What is withdrawn, here or there, stays withdrawn.
The replica is only read, and only opened when it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from xxhash import xxh3_128

from stat7.contracts import Check
from stat7.errors import Corrupt, Gone, Stat7Error
from stat7.files.base import FileStore
from stat7.files.wrapping import FilesWrapper
from stat7.lazy import Lazy


class ReplicatedFiles(FilesWrapper):
    """A `FileStore` that repairs what it reads from the one that `open_replica` gives.

    `repaired` counts the files that were mended. If the replica is down, or has no good copy, Corrupt is raised.
    """

    def __init__(self, inner: FileStore, open_replica: Callable[[], FileStore]) -> None:
        super().__init__(inner)
        self.repaired = 0
        self._replica = Lazy(open_replica)

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open."""
        try:
            pieces = self.inner.open(sha256, start, end)
        except Corrupt as error:
            self._mend(sha256, error)
            # What was just mended is not mended again: a disk that damages whatever it is given must be heard of.
            return self.inner.open(sha256, start, end)
        return self._watched(pieces, sha256, start, end)

    def diagnose(self) -> list[Check]:
        """What the wrapped store of files says of its health, and whether the replica can be read."""
        return [*super().diagnose(), self._check_replica()]

    def close(self) -> None:
        """Close the store of files and, if it was opened, the replica."""
        self.inner.close()
        self._replica.close()

    def _watched(self, pieces: Iterator[bytes], sha256: str, start: int, end: int | None) -> Iterator[bytes]:
        """The pieces; at damage, the rest of them from the mended file, if what has left already was right."""
        # What has left agreed with the chunk table, which only the SHA-256 of the whole proves. The seed is secret, so
        # nobody can have made wrong bytes that look the same.
        seed = int.from_bytes(os.urandom(8))
        given, size = xxh3_128(seed=seed), 0
        try:
            for piece in pieces:
                # Counted before it leaves: when the next one is asked for, it has.
                given.update(piece)
                size += len(piece)
                yield piece
            return
        except Corrupt as error:
            self._mend(sha256, error)
            again = xxh3_128(seed=seed)
            for piece in self.inner.open(sha256, start, start + size):
                again.update(piece)
            if again.digest() != given.digest():
                raise
        yield from self.inner.open(sha256, start + size, end)

    def _mend(self, sha256: str, error: Corrupt) -> None:
        """Replace a damaged file by the replica's; raises `error` if that can't be done, Gone if it is withdrawn."""
        try:
            self.inner.replace(sha256, self._replica.opened().open(sha256))
        except Gone as gone:
            self.inner.withdraw([gone.notice])
            raise
        except Stat7Error:
            raise error from None
        self.repaired += 1

    def _check_replica(self) -> Check:
        try:
            replica = self._replica.opened()
            replica.stat(["0" * 64])
        except Stat7Error as error:
            return Check("replica files", "fail", f"what is damaged can't be mended: {error}")
        mended = f", {self.repaired:,} files mended from it" if self.repaired else ""
        return Check("replica files", "ok", f"{replica.name}, answers{mended}")
