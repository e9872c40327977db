"""Who asks, and what they may: API keys, of which only the SHA-256 is kept, and strangers.

A key is `stat7_ID_SECRET`: an ID of 8 hex digits, by which it is found and named in logs, and 256 random bits. What is
kept of it is a mark (`EntityStore.marks`) named `key:ID`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from stat7.errors import ConfigError, InvalidQuery, NotFound, Stat7Error
from stat7.gateway.problems import Problem, unauthorized
from stat7.record import format_time, parse_time

if TYPE_CHECKING:
    from stat7.gateway.rsgi import Headers

READ: Final = "read"
WRITE: Final = "write"
ADMIN: Final = "admin"
SCOPES: Final = (READ, WRITE, ADMIN)
OPEN: Final = "open"
"""The scope of what everybody may ask: whether the gateway is alive."""

MARK: Final = "key:"
PREFIX: Final = "stat7_"
_ID_DIGITS: Final = 8
_SECRET_BYTES: Final = 32
_NAME_LETTERS: Final = 100
_BEARER: Final = "Bearer "

REFRESH_SECONDS: Final = 0.4
"""Keys are read again so often, so that one that is revoked is refused everywhere within a second."""

STALE_SECONDS: Final = 10.0
"""If the keys couldn't be read for so long, none is believed any more: one of them may have been revoked."""


class KeyStore(Protocol):
    """Where keys are kept: any store's marks."""

    def marks(self) -> dict[str, str]:
        """See HeadStore.marks."""
        ...

    def set_mark(self, name: str, value: str | None) -> None:
        """See HeadStore.set_mark."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key: times are ms since 1970, `expires` None for never."""

    id: str
    name: str
    scopes: frozenset[str]
    sha256: str
    created: int
    expires: int | None = None

    def text(self) -> str:
        """The value of the mark."""
        expires = None if self.expires is None else format_time(self.expires)
        scopes = [scope for scope in SCOPES if scope in self.scopes]
        return json.dumps(
            {"name": self.name, "scopes": scopes, "sha256": self.sha256, "created": format_time(self.created),
             "expires": expires}
        )  # fmt: skip

    @classmethod
    def read(cls, mark: str, text: str) -> Key:
        """The key of a mark. Raises ValueError for what isn't one."""
        given = json.loads(text)
        if not isinstance(given, dict):
            raise ValueError("no object")
        try:
            expires = given["expires"]
            bytes.fromhex(given["sha256"])
            return cls(
                mark.removeprefix(MARK),
                str(given["name"]),
                frozenset(given["scopes"]) & frozenset(SCOPES),
                str(given["sha256"]),
                parse_time(given["created"]),
                None if expires is None else parse_time(expires),
            )
        except (KeyError, TypeError, Stat7Error) as error:
            raise ValueError(f"not a key: {error}") from None

    def expired(self, now_ms: float) -> bool:
        """Whether its time is over."""
        return self.expires is not None and now_ms >= self.expires


@dataclass(slots=True)
class Caller:
    """Who asks. `id` counts for rates: `key:ID`, or the client's address; `name` is for the audit log."""

    id: str
    name: str
    scopes: frozenset[str]
    key: Key | None = None


def create_key(
    store: KeyStore, name: str, scopes: Collection[str], *, now_ms: int, expires_ms: int | None = None
) -> tuple[str, Key]:
    """Make a key and keep what is kept of it; returns its text, which nobody can tell again, and the rest.

    Raises InvalidQuery naming what is wrong: a name of 1 to 100 printable letters, scopes of SCOPES.
    """
    if not (0 < len(name) <= _NAME_LETTERS and name.isprintable()):
        raise InvalidQuery("name", f"{ascii(name)[:80]} is not 1 to {_NAME_LETTERS} printable letters")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise InvalidQuery("scope", f"{','.join(scopes) or 'none'}: choose from {', '.join(SCOPES)}")
    if expires_ms is not None and expires_ms <= now_ms:
        raise InvalidQuery("expires", "has passed already")
    id = secrets.token_hex(_ID_DIGITS // 2)
    secret = base64.urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii").rstrip("=")
    text = f"{PREFIX}{id}_{secret}"
    key = Key(id, name, frozenset(scopes), _digest(text), now_ms, expires_ms)
    store.set_mark(MARK + id, key.text())
    return text, key


def list_keys(store: KeyStore) -> list[Key]:
    """Every key, the oldest first. A mark that can't be read raises ConfigError."""
    found: list[Key] = []
    for id, key in _read_keys(store):
        if key is None:
            raise ConfigError(f"the key {id} can't be read: revoke it and make another")
        found.append(key)
    return sorted(found, key=lambda key: (key.created, key.id))


def _read_keys(store: KeyStore) -> Iterator[tuple[str, Key | None]]:
    """The id of every key, and the rest of it; None for a mark that can't be read."""
    for mark, text in store.marks().items():
        if mark.startswith(MARK):
            try:
                key = Key.read(mark, text)
            except ValueError:
                key = None
            yield mark.removeprefix(MARK), key


def revoke_key(store: KeyStore, id: str) -> None:
    """Make a key worthless, within a second everywhere. Raises NotFound."""
    if MARK + id not in store.marks():
        raise NotFound(id)
    store.set_mark(MARK + id, None)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8")).hexdigest()


_NO_KEY: Final[tuple[bytes, None]] = (b"", None)


class KeyRing:
    """The keys as they were a moment ago. `refresh` reads them again; who asks is judged without the store."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._keys: Mapping[bytes, tuple[bytes, Key]] = {}
        self._judged: dict[str, Key] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def refresh(self) -> None:
        """Read the keys again; raises what the store raises. A mark that can't be read is no key."""
        begun = time.monotonic()
        found: dict[bytes, tuple[bytes, Key]] = {}
        for _, key in _read_keys(self._store):
            if key is not None:
                digest = bytes.fromhex(key.sha256)
                found[digest] = digest, key
        with self._lock:
            if begun > self._read_at:
                self._keys, self._judged, self._read_at = found, {}, begun

    @property
    def age(self) -> float:
        """Seconds since the keys were read."""
        return time.monotonic() - self._read_at

    def judge(self, text: str) -> Key:
        """The key of this text. Raises a 401 for one that isn't valid, a 503 where the keys are too old to tell.

        It is found by its digest, and how far that agrees with another key's tells nothing of the text.
        """
        judged = self._judged
        if time.monotonic() - self._read_at > STALE_SECONDS:
            detail = f"the keys couldn't be read for {STALE_SECONDS:g} s, so none is believed"
            raise Problem(503, "unavailable", "Keys can't be checked", detail, headers={"Retry-After": "1"})
        key = judged.get(text)
        if key is None:
            digest = sha256(text.encode("utf-8")).digest()
            known, key = self._keys.get(digest, _NO_KEY)
            if key is None or not hmac.compare_digest(digest, known):
                raise unauthorized("this key is not known, or was revoked")
            judged[text] = key  # for as long as these keys count: forgotten when they are read again
        if key.expires is not None and key.expired(time.time() * 1000):
            raise unauthorized("this key has expired")
        return key


NOBODY: Final = Caller("", "", frozenset())
"""Who asks before that is known."""


@dataclass(frozen=True, slots=True)
class Access:
    """What strangers may, and who the others are."""

    ring: KeyRing
    strangers: frozenset[str] = frozenset()
    _callers: dict[str, Caller] = field(default_factory=dict)

    def identify(self, headers: Headers) -> Caller | None:
        """Who asks, by `Authorization: Bearer KEY`, or `X-API-Key: KEY`; None for a stranger. Raises a 401."""
        given = headers.get("authorization")
        if given is None:
            text = headers.get("x-api-key") or ""
            if not text:
                if "authorization" in headers or "x-api-key" in headers:
                    raise unauthorized("the key that was sent is empty or not ASCII")
                return None
        elif given.startswith(_BEARER):
            text = given[len(_BEARER) :].strip()
        else:
            text = _credential(given)
        key = self.ring.judge(text)
        caller = self._callers.get(key.id)
        if caller is None or caller.key is not key:
            caller = self._callers[key.id] = Caller(MARK + key.id, key.name, key.scopes, key)
        return caller


def _credential(header: str) -> str:
    """The key of an Authorization header; with Basic it is the password, whatever the user. Raises a 401."""
    kind, _, rest = header.partition(" ")
    rest = rest.strip()
    if kind.lower() == "bearer" and rest:
        return rest
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode("ascii").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            pass
    raise unauthorized("Authorization: expected Bearer KEY")


def strangers_scopes(public_read: bool, loopback: bool, keys: int) -> frozenset[str]:
    """What strangers may: nothing, but read where that was opened knowingly, or on loopback while there are no keys."""
    return frozenset((READ,)) if public_read or (loopback and not keys) else frozenset()
