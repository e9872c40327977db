"""The timed loops. Nanoseconds go into buffers allocated beforehand; nothing else happens between the two readings of
the clock.
"""

from __future__ import annotations

import hashlib
import mmap
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from stat7.errors import NotFound, Stat7Error

DIGEST: Final = 32

_CONSTANT: Final = b'{"what":"the document of the store that does nothing"}'
NO_OP_ADDRESS: Final = hashlib.sha256(_CONSTANT).hexdigest()
_SECOND: Final = 1_000_000_000
CEILING_NS: Final = 250_000_000
"""How long a worker measures what it could do at most, against a store that does nothing."""


def buffer(count: int) -> array[int]:
    """`count` 64-bit integers, their memory touched so that no page is faulted in while measuring."""
    return array("q", bytes(8 * count))


@dataclass(slots=True)
class Tape:
    """The operations of a worker: when each ended (ns from the start of its loop), how long it took, and what kind it
    was.
    """

    capacity: int
    ends: array[int] = field(init=False)
    durations: array[int] = field(init=False)
    kinds: bytearray = field(init=False)
    count: int = 0
    wrong: int = 0
    errors: int = 0
    first_error: str = ""

    def __post_init__(self) -> None:
        self.ends = buffer(self.capacity)
        self.durations = buffer(self.capacity)
        self.kinds = bytearray(self.capacity)

    def add(self, kind: int, end: int, duration: int) -> None:
        """Note an operation that went well."""
        count = self.count
        self.ends[count] = end
        self.durations[count] = duration
        self.kinds[count] = kind
        self.count = count + 1

    def refused(self, error: Exception) -> None:
        """Count an operation that the store refused: allowed, but no good."""
        self.errors += 1
        self._first(error)

    def failed(self, error: Exception | str) -> None:
        """Count an operation whose answer is wrong."""
        self.wrong += 1
        self._first(error)

    def _first(self, error: Exception | str) -> None:
        if not self.first_error:
            self.first_error = error if isinstance(error, str) else f"{type(error).__name__}: {error}"

    @property
    def rate(self) -> float:
        """Operations per second of wall time."""
        return self.count / self.ends[self.count - 1] * _SECOND if self.count else 0.0

    def result(self) -> dict[str, Any]:
        """What goes back to the parent."""
        return {
            "ends": self.ends[: self.count].tobytes(),
            "durations": self.durations[: self.count].tobytes(),
            "kinds": bytes(self.kinds[: self.count]),
            "wrong": self.wrong,
            "errors": self.errors,
            "first_error": self.first_error,
        }


def no_op_read(address: str) -> bytes:
    """The read of the store that does nothing: it knows NO_OP_ADDRESS alone."""
    return _CONSTANT


def no_op_put(document: bytes) -> str:
    """The put of the store that does nothing."""
    return NO_OP_ADDRESS


def no_op_head(id: str) -> str:
    """The head of the store that does nothing."""
    return NO_OP_ADDRESS


def ceiling(clock: Callable[[], int], drag_ns: int) -> float:
    """Reads per second that `timed_hits` itself can do, against a store that does nothing."""
    tape = Tape(20_000)
    timed_hits(tape, no_op_read, [NO_OP_ADDRESS] * tape.capacity, clock, CEILING_NS, drag_ns)
    return tape.rate


def timed_hits(
    tape: Tape,
    read: Callable[[str], bytes],
    addresses: Sequence[str],
    clock: Callable[[], int],
    limit_ns: int,
    drag_ns: int = 0,
) -> None:
    """Read each address once, until the tape is full or the time is over; every document is hashed by the harness
    itself.
    """
    ends, durations, sha256 = tape.ends, tape.durations, hashlib.sha256
    count = 0
    begun = clock()
    for address in addresses[: tape.capacity]:
        start = clock()
        try:
            document = read(address)
        except Stat7Error as error:
            tape.failed(error)
            continue
        end = clock()
        durations[count] = end - start
        ends[count] = end - begun
        count += 1
        if sha256(document).hexdigest() != address:
            tape.failed(f"the bytes returned for {address} don't hash to it")
        if drag_ns:
            drag(clock, drag_ns)
        if end - begun > limit_ns:
            break
    tape.count = count


def timed_misses(
    tape: Tape,
    read: Callable[[str], bytes],
    addresses: Sequence[str],
    clock: Callable[[], int],
    limit_ns: int,
    drag_ns: int = 0,
) -> None:
    """Ask for addresses that aren't stored; an answer other than NotFound is wrong."""
    ends, durations = tape.ends, tape.durations
    count = 0
    begun = clock()
    for address in addresses[: tape.capacity]:
        start = clock()
        try:
            read(address)
            tape.wrong += 1
        except NotFound:
            pass
        end = clock()
        durations[count] = end - start
        ends[count] = end - begun
        count += 1
        if drag_ns:
            drag(clock, drag_ns)
        if end - begun > limit_ns:
            break
    tape.count = count


def drag(clock: Callable[[], int], nanoseconds: int) -> None:
    """Pass so much time, busily."""
    until = clock() + nanoseconds
    while clock() < until:
        pass


def draw_addresses(digests: Path, scale: int, count: int, random: Random) -> list[str]:
    """`count` addresses of stored entities, uniformly and independently drawn from a file of 32-byte digests."""
    with digests.open("rb") as file, mmap.mmap(file.fileno(), scale * DIGEST, access=mmap.ACCESS_READ) as view:
        starts = (random.randrange(scale) * DIGEST for _ in range(count))
        return [view[start : start + DIGEST].hex() for start in starts]


def strange_addresses(count: int, random: Random) -> list[str]:
    """Addresses under which nothing is stored (short of a miracle)."""
    return [random.randbytes(DIGEST).hex() for _ in range(count)]


def batches(addresses: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The addresses, `size` at a time; what is left over is left out."""
    for start in range(0, len(addresses) - size + 1, size):
        yield addresses[start : start + size]


def timed_batches(
    tape: Tape,
    read: Callable[[Sequence[str]], Mapping[str, object]],
    requests: Iterable[Sequence[str]],
    stored: bool,
    clock: Callable[[], int],
    limit_ns: int,
) -> None:
    """Ask for many addresses at once, all of them stored or none; every document that comes back is hashed again."""
    begun = clock()
    for addresses in requests:
        start = clock()
        try:
            found = read(addresses)
        except Stat7Error as error:
            tape.failed(error)
            continue
        end = clock()
        tape.add(0, end - begun, end - start)
        tape.wrong += _wrong_in(addresses, found) if stored else len(found)
        if end - begun > limit_ns or tape.count == tape.capacity:
            return


def _wrong_in(addresses: Sequence[str], found: Mapping[str, object]) -> int:
    sha256 = hashlib.sha256
    return sum(
        not isinstance(document := found.get(address), bytes) or sha256(document).hexdigest() != address
        for address in set(addresses)
    )
