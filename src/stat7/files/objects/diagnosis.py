"""What `doctor` wants to know of a bucket: can it be used, how quickly, by which clock, and does it forget."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from stat7.contracts import Check
from stat7.errors import Stat7Error
from stat7.files.objects.layout import Layout, marks_at, now
from stat7.files.objects.storage import ABSENT, ObjectStorage

_PROBE: Final = b"stat7 doctor"
_SLOW_MS: Final = 500
_CLOCK_MS: Final = 60_000


def diagnose_storage(storage: ObjectStorage, layout: Layout) -> list[Check]:
    """Checks named `files`, `files conditions`, `files clock`, `files versions`, `files credentials`.

    Writes a small object, reads it and erases it. The first one fails, and others are left out, if that can't be done.
    """
    key = layout.incoming()
    source = Check("files credentials", "ok", f"from {storage.credentials()}")
    try:
        return [*_used(storage, key), _versions(storage, key), source]
    except Stat7Error as error:
        return [Check("files", "fail", str(error)), source]
    finally:
        with suppress(Stat7Error):
            storage.delete([key])


def _used(storage: ObjectStorage, key: str) -> list[Check]:
    begin = time.perf_counter()
    storage.put_bytes(key, _PROBE, marks_at(now()))
    written, wrote_at = time.perf_counter(), now()
    got = storage.get(key, 0, len(_PROBE))
    read = time.perf_counter()
    overwritten = storage.put_bytes(key, _PROBE, marks_at(now()), ABSENT)
    before_erasing = time.perf_counter()
    storage.delete([key])
    erased = time.perf_counter()
    times = [(written - begin) * 1000, (read - written) * 1000, (erased - before_erasing) * 1000]
    if got is None or b"".join(got[1]) != _PROBE:
        return [Check("files", "fail", f"{storage.place}: what was written can't be read back; check the server")]
    return [_answering(storage.place, times), _conditions(overwritten), _clock(wrote_at - got[0].modified)]


def _answering(place: str, times: list[float]) -> Check:
    shown = "write {:.0f} ms, read {:.0f} ms, erase {:.0f} ms".format(*times)
    if max(times) > _SLOW_MS:
        return Check("files", "warn", f"{place}: {shown}; that is slow: choose a nearer region, or check the network")
    return Check("files", "ok", f"{place}: {shown}")


def _conditions(overwritten: bool) -> Check:
    if overwritten:
        text = "the server ignores If-None-Match, so withdrawn files could come back; update it, or use another one"
        return Check("files conditions", "fail", text)
    return Check("files conditions", "ok", "an object is not written over where that is asked")


def _clock(difference: int) -> Check:
    # The server tells whole seconds.
    seconds = difference / 1000
    if abs(difference) > _CLOCK_MS:
        text = f"this machine's clock is {seconds:+.0f} s from the server's; set it, gc goes by it"
        return Check("files clock", "warn", text)
    return Check("files clock", "ok", f"within {max(abs(seconds), 1):.0f} s of the server's")


def _versions(storage: ObjectStorage, key: str) -> Check:
    kept = storage.keeps_erased(key)
    if kept:
        text = f"{kept}: withdrawn bytes live on there; turn that off, or let a rule of the bucket end them soon"
        return Check("files versions", "warn", text)
    return Check("files versions", "ok", "what is erased is gone, as far as can be seen from here")
