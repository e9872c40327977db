"""The one error tree. Every failure that stat7 reports is one of these; no driver's exception leaves stores/ or files/.

Stat7Error
├── InvalidEntity(path, reason)    a document or a file given to us breaks a rule; nothing was stored
├── InvalidQuery(field, reason)    a query, locator, range or cursor can't be understood
├── NotFound(what)                 nothing is stored under this address, id or file digest
├── Gone(notice)                   it was withdrawn; the notice says under which case, and why
├── Conflict(id, current)          the id's head is not what the new version says it replaces
├── Corrupt(address, found)        stored bytes don't hash to their address; they are never returned
├── Unsupported(what, instead)     this backend can't do it; `instead` says what can be done
├── Unavailable(reason)            the backend can't be reached or is busy; the same call may succeed later
├── StoreFull(reason)              the disk or quota is exhausted; nothing was stored
└── ConfigError(reason)            a URL, option, file or installed package is wrong; the text says how to mend it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stat7.record import Notice


class Stat7Error(Exception):
    """Base of every error that stat7 raises on purpose; its text is one line fit for a person.

    Whatever names, reasons and drivers' messages went into it: line ends, control characters and anything else that a
    terminal would not print come as escapes (`\\n`, `\\x1b`, `\\u2028`).
    """

    def __str__(self) -> str:
        text = super().__str__()
        if text.isprintable():
            return text
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class InvalidEntity(Stat7Error):
    """A document breaks a rule of spec/entity.md.

    `path` is the place inside the document (`coordinates.density`, `files[0].name`, empty for the whole document),
    `reason` says what is wrong and, where it isn't obvious, what to write instead.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}" if path else reason)

    def __reduce__(self) -> tuple[type[InvalidEntity], tuple[str, str]]:
        return type(self), (self.path, self.reason)


class InvalidQuery(Stat7Error):
    """A query, locator, range or cursor can't be understood; `field` names the part that is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}" if field else reason)

    def __reduce__(self) -> tuple[type[InvalidQuery], tuple[str, str]]:
        return type(self), (self.field, self.reason)


class NotFound(Stat7Error):
    """Nothing is stored under `what` (an address, an id or a file's SHA-256)."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"not found: {what}")

    def __reduce__(self) -> tuple[type[NotFound], tuple[str]]:
        return type(self), (self.what,)


class Gone(Stat7Error):
    """What was asked for, or put again, has been withdrawn; `notice` is the receipt that stays in its place."""

    def __init__(self, notice: Notice) -> None:
        self.notice = notice
        super().__init__(f"withdrawn: {notice.address} (case {notice.case}: {notice.reason})")

    def __reduce__(self) -> tuple[type[Gone], tuple[Notice]]:
        return type(self), (self.notice,)


class Conflict(Stat7Error):
    """The head of `id` is `current`: not the new version, nor what it replaces, nor one of its descendants."""

    def __init__(self, id: str, current: str) -> None:
        self.id = id
        self.current = current
        super().__init__(f"conflict: the current version of {id} is {current}; set `previous` to it to replace it")

    def __reduce__(self) -> tuple[type[Conflict], tuple[str, str]]:
        return type(self), (self.id, self.current)


class Corrupt(Stat7Error):
    """The bytes stored under `address` hash to `found` (or can't be read at all); they are not returned."""

    def __init__(self, address: str, found: str) -> None:
        self.address = address
        self.found = found
        super().__init__(
            f"corrupt: the bytes stored as {address} are damaged ({found}); run `stat7 verify --repair-from`"
        )

    def __reduce__(self) -> tuple[type[Corrupt], tuple[str, str]]:
        return type(self), (self.address, self.found)


class Unsupported(Stat7Error):
    """This backend can't do `what`; `instead` names what can be done."""

    def __init__(self, what: str, instead: str) -> None:
        self.what = what
        self.instead = instead
        super().__init__(f"not supported: {what}; {instead}")

    def __reduce__(self) -> tuple[type[Unsupported], tuple[str, str]]:
        return type(self), (self.what, self.instead)


class Unavailable(Stat7Error):
    """The backend can't be reached, is busy or timed out. Repeating the call later is safe and may succeed."""


class StoreFull(Stat7Error):
    """The backend's disk or quota is exhausted. Nothing of the call was stored."""


class ConfigError(Stat7Error):
    """A URL, option, configuration file or installed package is wrong; the text says how to mend it."""
