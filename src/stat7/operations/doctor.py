"""Doctor: is this deployment durable, indexed, reachable, up to date? One line for each thing looked at."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from importlib import metadata
from typing import Final

import stat7
from stat7.canonical import canonicalize
from stat7.contracts import Check, checks_of
from stat7.errors import Stat7Error
from stat7.files.base import StoredFile
from stat7.operations.resuming import MARK, read_mark
from stat7.paging import NAMES
from stat7.record import format_time
from stat7.repository import Repository

RELEASED_MS: Final = 1767225600000
"""2026-01-01: a clock that shows less is wrong."""

AHEAD_MS: Final = 24 * 3600 * 1000
"""How far a stored file's time may lie ahead of the clock before one of the two is called wrong."""

_AWKWARD: Final = {"b": [1.0, -0.0, 3.4e-6, 1e-7, 1e21, 1 / 512], "a": None, "\ue000": 1, "\U00010000": "\u2028"}
_AWKWARD_BYTES: Final = (
    '{"a":null,"b":[1,0,0.0000034,1e-7,1e+21,0.001953125],"\U00010000":"\u2028","\ue000":1}'.encode()
)


def diagnose(repo: Repository) -> list[Check]:
    """What is so, and what to do where it isn't well. Quick however much is stored.

    Changes nothing, save that a folder of files is tried with one small file, which is erased again.
    """
    return [
        _program(),
        _packages(),
        _canonical_form(),
        *_answers("store", lambda: checks_of(repo.store, "store", repo.store.capabilities.durable)),
        *_answers("files", lambda: checks_of(repo.files, "files", repo.files.durable)),
        *_answers("clock", lambda: [_clock(repo)]),
        *_answers("copies", lambda: [_copies(repo)]),
    ]


def _answers(name: str, ask: Callable[[], list[Check]]) -> list[Check]:
    """The answer or, if there is none, a failed check that says why."""
    try:
        return ask()
    except Stat7Error as error:
        return [Check(name, "fail", str(error))]


def _program() -> Check:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return Check("stat7", "ok", f"{stat7.__version__}, {python}, {platform.system()} {platform.machine()}")


def _packages() -> Check:
    """The packages that stat7 asks for, with their versions."""
    try:
        wanted = metadata.requires("stat7") or []
    except metadata.PackageNotFoundError:
        return Check(
            "packages", "warn", "stat7 runs from a folder; install it by pip, so that its packages are checked"
        )
    names = [found[0] for line in wanted if "extra ==" not in line and (found := re.match(r"[\w.-]+", line))]
    versions = {name: _version(name) for name in sorted(names)}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return Check("packages", "fail", f"not installed: {', '.join(missing)}; install them by pip")
    return Check("packages", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _canonical_form() -> Check:
    """Addresses depend on every digit, so a package that writes numbers or sorts names otherwise must be noticed."""
    if canonicalize(_AWKWARD) == _AWKWARD_BYTES:
        return Check("canonical form", "ok", "numbers and names are written as RFC 8785 asks")
    text = "this installation does not write RFC 8785, its addresses would be wrong; install the locked packages"
    return Check("canonical form", "fail", text)


def _clock(repo: Repository) -> Check:
    now = repo.now_ms()
    shown = format_time(now)
    if now < RELEASED_MS:
        return Check("clock", "fail", f"it shows {shown}, which is past; set it, gc and withdrawal notices go by it")
    first = repo.files.scan(None, NAMES).items
    newest = max((item.stored_at for item in first if isinstance(item, StoredFile)), default=now)
    if newest > now + AHEAD_MS:
        text = f"it shows {shown}, but a file was stored at {format_time(newest)}; set it, gc goes by it"
        return Check("clock", "warn", text)
    return Check("clock", "ok", shown)


def _copies(repo: Repository) -> Check:
    mark = repo.store.marks().get(MARK)
    if mark is None:
        return Check("copies", "ok", "none was cut off")
    _, stage, _ = read_mark(mark)
    text = f"a copy to here was cut off while copying {stage or 'something'}; run it again to complete it"
    return Check("copies", "warn", text)
