"""From URLs to stores: `sqlite:library.db?sync=normal&busy_timeout=10`, `memory:`, and for files `file:library-files`.

A URL is `SCHEME:PLACE?OPTION=VALUE&…`. A place that is a path may be relative, hold spaces and drive letters, and
percent escapes (`%3F` for a question mark, `%25` for a percent sign before two hex digits). Each backend has a frozen
dataclass that says what its URL may hold; its module is imported only when the store is opened. All errors are
ConfigErrors, and no message holds a password or key: `redact`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, Self, TypeVar
from urllib.parse import parse_qsl, quote, unquote

from stat7.errors import ConfigError
from stat7.files.objects.urls import BucketConfig, endpoint, word, yes_or_no
from stat7.stores.redis.server import Server

if TYPE_CHECKING:
    from stat7.files.base import FileStore
    from stat7.files.memory import MemoryFiles
    from stat7.stores.base import Store
    from stat7.stores.cached import Cache

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):([^?]*)(?:\?(.*))?", re.DOTALL)
_WINDOWS_PATH = re.compile(r"/[A-Za-z]:[/\\]")
_USER = re.compile(r"//.*:.*@|//[^/?#]*@|(?<=:)[^/\\:@]{2,}:.*@", re.DOTALL)
_LIBPQ = (
    "channel_binding", "host", "hostaddr", "passfile", "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert",
    "target_session_attrs",
)  # fmt: skip
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SECRET = re.compile(r"pass|pwd|secret|token|sig|auth|cred|sas|key(?!space)", re.IGNORECASE)

Opened = TypeVar("Opened", covariant=True)


class Location(NamedTuple):
    """The parts of a URL: the scheme in lower case, the place as written, the options by name."""

    scheme: str
    place: str
    options: dict[str, str]


class Reader(Protocol):
    """Reads the value of one option, or raises ValueError with what it may be."""

    def __call__(self, text: str, /) -> Any:
        """The value, of the type that the backend wants."""
        ...


class BackendConfig(Protocol[Opened]):
    """What a URL says about a backend. `readers` are its options by name, `example` a URL for error messages."""

    example: ClassVar[str]
    readers: ClassVar[Mapping[str, Reader]]

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL, the options read; raises ConfigError."""
        ...

    def open(self) -> Opened:
        """What this describes. Imports the backend."""
        ...


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise ValueError("a number of seconds such as 10 or 0.5")
    return float(text)


def _number(unit: str, least: float, most: float) -> Reader:
    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not least <= float(text) <= most:
            raise ValueError(f"a number of {unit} from {least:g} to {most:g}")
        return float(text)

    return read


def _one_of(*words: str) -> Reader:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return read


@dataclass(frozen=True, slots=True)
class _InMemory:
    example: ClassVar[str] = "memory:"
    readers: ClassVar[Mapping[str, Reader]] = {}

    name: str = ""

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL."""
        return cls(unquote(location.place).lstrip("/"))


class MemoryConfig(_InMemory):
    """`memory:` is a store of its own; `memory:NAME` is shared by all who open that name while the process runs."""

    __slots__ = ()

    def open(self) -> Store:
        """The store that this describes."""
        from stat7.stores.memory import MemoryStore

        return MemoryStore(self.name)


@dataclass(frozen=True, slots=True)
class SQLiteConfig:
    """`sqlite:PATH`: one file. sync: `full` (each acknowledged write survives a power cut) or `normal`; busy_timeout:
    seconds to wait for another process that writes. What isn't given is as the store decides.
    """

    example: ClassVar[str] = "sqlite:library.db"
    readers: ClassVar[Mapping[str, Reader]] = {"sync": _one_of("full", "normal"), "busy_timeout": _seconds}

    path: Path
    sync: str | None = None
    busy_timeout: float | None = None

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if there is no path in it."""
        return cls(_path(location, cls.example), **options)

    def open(self) -> Store:
        """The store that this describes."""
        from stat7.stores.sqlite import SQLiteStore

        given = {"sync": self.sync, "busy_timeout": self.busy_timeout}
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return SQLiteStore(self.path, **options)


class MemoryFilesConfig(_InMemory):
    """`memory:` keeps files of its own; `memory:NAME` shares them by that name while the process runs."""

    __slots__ = ()

    def open(self) -> FileStore:
        """The file store that this describes."""
        from stat7.files.memory import MemoryFiles

        if not self.name:
            return MemoryFiles()
        with _lock:
            return _named_files.setdefault(self.name, MemoryFiles())


@dataclass(frozen=True, slots=True)
class LocalFilesConfig:
    """`file:PATH`: a folder of files; the form `file:///PATH` of other programs is understood too."""

    example: ClassVar[str] = "file:library-files"
    readers: ClassVar[Mapping[str, Reader]] = {}

    folder: Path

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if there is no path in it."""
        return cls(_path(location, cls.example))

    def open(self) -> FileStore:
        """The file store that this describes."""
        from stat7.files.local import LocalFiles

        return LocalFiles(self.folder)


_FOR_BUCKETS: Final[Mapping[str, Reader]] = {
    "endpoint": endpoint,
    "anonymous": yes_or_no,
    "timeout": _number("seconds", 0.1, 600.0),
    "retry": _number("seconds", 0.0, 600.0),
    "connections": _number("requests at once", 1, 64),
}


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


@dataclass(frozen=True, slots=True)
class PostgreSQLConfig:
    """`postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; parts left out are as libpq finds them (PGHOST, ~/.pgpass, …).

    schema: where the tables are; pool: most connections; timeout: seconds that a statement may take; connect_timeout:
    seconds to wait for a connection; retries: how often a call is tried again while the server is away (stat7.opening
    sees to that); application_name: what the server calls us; the others go to libpq as they are.
    """

    example: ClassVar[str] = "postgresql://user@host/database"
    readers: ClassVar[Mapping[str, Reader]] = {
        "schema": word,
        "pool": _number("connections", 1, 1000),
        "timeout": _number("seconds", 0.001, 86_400),
        "connect_timeout": _number("seconds", 2, 86_400),
        "retries": _number("retries", 0, 100),
        "application_name": word,
    } | dict.fromkeys(_LIBPQ, word)

    url: str = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL. Its server's part is read by libpq when the store is opened."""
        return cls(f"postgresql:{location.place}", options)

    @property
    def retries(self) -> int:
        """How often a call is tried again."""
        return int(self.options.get("retries", 4))

    def open(self) -> Store:
        """The store that this describes."""
        from stat7.stores.postgresql import PostgreSQLStore, Settings

        ours = {name: value for name, value in self.options.items() if name not in _LIBPQ and name != "retries"}
        theirs = {name: value for name, value in self.options.items() if name in _LIBPQ}
        return PostgreSQLStore(Settings(self.url, libpq=theirs, **ours))


@dataclass(frozen=True, slots=True)
class RedisConfig:
    """`redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss:` for TLS. ttl: seconds after which an entry is forgotten;
    timeout: most seconds that a read waits for the cache; largest: documents of more bytes are not cached.
    """

    example: ClassVar[str] = "redis://localhost:6379/0"
    readers: ClassVar[Mapping[str, Reader]] = {
        "ttl": _number("seconds", 1, 30 * 86_400),
        "timeout": _number("seconds", 0.001, 10.0),
        "largest": _number("bytes", 0, 262_144),
    }

    server: Server
    options: Mapping[str, float]

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if host, port or database can't be."""
        url = f"{location.scheme}:{location.place}"
        try:
            return cls(Server.parse(url), options)
        except ValueError as error:
            raise ConfigError(f"{redact(url)}: {error}; write {cls.example}") from None

    def open(self) -> Cache:
        """The cache that this describes. Nothing is connected yet."""
        from stat7.stores.redis.cache import RedisCache

        return RedisCache(self.server, **self.options)


STORES: Final[Mapping[str, type[BackendConfig[Store]]]] = {
    "memory": MemoryConfig,
    "sqlite": SQLiteConfig,
    "postgresql": PostgreSQLConfig,
    "postgres": PostgreSQLConfig,
}
"""The stores of entities, by scheme."""

FILES: Final[Mapping[str, type[BackendConfig[FileStore]]]] = {
    "file": LocalFilesConfig,
    "memory": MemoryFilesConfig,
    "s3": S3Config,
    "az": AzureConfig,
    "gs": GoogleConfig,
}
"""The stores of files, by scheme."""

CACHES: Final[Mapping[str, type[BackendConfig[Cache]]]] = {"redis": RedisConfig, "rediss": RedisConfig}
"""The caches of documents, by scheme."""

PAIR: Final = r",(?=[a-z][a-z0-9+]*:)"
"""What stands between the two URLs of `STORE,FILES`."""

DEFAULT_STORE: Final = "sqlite:stat7.db"
"""Where entities are kept if nobody says otherwise; its files are where `files_beside` says."""

_PATH_SCHEMES: Final = {"sqlite": SQLiteConfig.example, "file": LocalFilesConfig.example}
_EXTRAS: Final = {
    "postgresql": "postgres", "postgres": "postgres", "s3": "s3", "az": "azure", "gs": "gcs", "redis": "redis",
    "rediss": "redis",
}  # fmt: skip
_named_files: dict[str, MemoryFiles] = {}
_lock = threading.Lock()


def open_store(url: str) -> Store:
    """Open (and make, if it is a local one that isn't there) the store of entities at `url`; raises ConfigError."""
    return _open(url, configure_store(url))


def open_files(url: str) -> FileStore:
    """Open the store of files at `url`; raises ConfigError."""
    return _open(url, configure_files(url))


def open_cache(url: str) -> Cache:
    """Open the cache at `url`, which need not answer; raises ConfigError."""
    return _open(url, configure_cache(url))


def configure_store(url: str) -> BackendConfig[Store]:
    """What `open_store` would open. Nothing is imported or touched; raises ConfigError."""
    return _configure(url, STORES, "stores of entities")


def configure_files(url: str) -> BackendConfig[FileStore]:
    """What `open_files` would open. Nothing is imported or touched; raises ConfigError."""
    return _configure(url, FILES, "stores of files")


def configure_cache(url: str) -> BackendConfig[Cache]:
    """What `open_cache` would open. Nothing is imported or touched; raises ConfigError."""
    return _configure(url, CACHES, "caches")


def split_pair(text: str) -> tuple[str, str]:
    """`STORE` or `STORE,FILES` as two URLs; without FILES they are those beside the store. Raises ConfigError."""
    store, *files = re.split(PAIR, text)
    if len(files) > 1:
        raise ConfigError(f"{redact(text)!r} is not STORE or STORE,FILES")
    return store, files[0] if files else files_beside(store)


def local_path(url: str) -> Path | None:
    """The path at which a `sqlite:` or `file:` URL keeps its data; None for other schemes. Raises ConfigError."""
    location = _split(url, "sqlite:library.db or file:library-files")
    example = _PATH_SCHEMES.get(location.scheme)
    return None if example is None else _path(location, example)


def anchored(url: str, folder: Path) -> str:
    """The URL with a relative path made relative to `folder`; all others as they are. Raises ConfigError."""
    path = local_path(url)
    if path is None or path.is_absolute():
        return url
    scheme, (_, mark, options) = url.partition(":")[0], url.partition("?")
    return f"{scheme}:{_escaped(folder / path)}{mark}{options}"


def files_beside(store: str) -> str:
    """The URL of the files that go with a store if nobody names others: `file:X-files` with `sqlite:X.db`.

    Two stores never share files by this rule unless they differ only in `.db`. Raises ConfigError where there is none.
    """
    config = configure_store(store)
    if isinstance(config, MemoryConfig):
        return f"memory:{quote(config.name)}"
    path = local_path(store)
    if path is None:
        reason = "it doesn't say where its files are; name them too: --files URL, or STORE,FILES, or files= in Python"
        raise ConfigError(f"{redact(store)}: {reason}")
    return f"file:{_escaped(path.parent / (path.name.removesuffix('.db') + '-files'))}"


def redact(url: str) -> str:
    """The URL as it may be shown, on one line: `***` in place of user and password, and of values that are secret.

    Rather too much than too little: where a password may reach is guessed generously, since it may hold any character.
    """
    parts = re.split(r"([?&;])", _USER.sub(lambda found: _hidden_user(found.group()), url))
    shown = "".join(_hidden_value(part) for part in parts)
    return _UNPRINTABLE.sub(lambda found: ascii(found.group())[1:-1], shown)


def _escaped(path: Path) -> str:
    return re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", str(path)).replace("?", "%3F")


def _hidden_user(found: str) -> str:
    return "//***@" if found.startswith("//") else "***@"


def _hidden_value(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}=***" if equals and _SECRET.search(unquote(name)) else part


def _open(url: str, config: BackendConfig[Opened]) -> Opened:
    try:
        return config.open()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "stat7":
            raise
        extra = _EXTRAS.get(url.partition(":")[0].lower())
        advice = f'pip install "stat7[{extra}]"' if extra else "install it by pip"
        missing = error.name.partition(".")[0]
        raise ConfigError(
            f"{redact(url)}: needs the Python package {missing}, which isn't installed: {advice}"
        ) from None


def _configure(url: str, table: Mapping[str, type[BackendConfig[Opened]]], what: str) -> BackendConfig[Opened]:
    examples = ", ".join(dict.fromkeys(config.example for config in table.values()))
    location = _split(url, examples)
    config = table.get(location.scheme)
    if config is None:
        raise ConfigError(f"{redact(url)}: unknown scheme {location.scheme}: there are these {what}: {examples}")
    return config.at(location, _options(url, location, config))


def _split(url: str, examples: str) -> Location:
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigError(f"{redact(url)!r} is not a URL; write {examples}")
    scheme, place, query = found[1].lower(), found[2], found[3] or ""
    if len(scheme) == 1:
        raise ConfigError(f"{redact(url)!r} is a path; write sqlite:{redact(url)} or file:{redact(url)}")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ConfigError(f"{redact(url)}: an option is given twice")
    return Location(scheme, place, options)


def _options(url: str, location: Location, config: type[BackendConfig[Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, text in location.options.items():
        reader = config.readers.get(name)
        if reader is None:
            allowed = ", ".join(sorted(config.readers)) or "none"
            raise ConfigError(f"{redact(url)}: unknown option {_shown(name)}; {location.scheme}: takes {allowed}")
        try:
            read[name] = reader(text)
        except ValueError as error:
            raise ConfigError(f"{redact(url)}: {name}: {_shown(text)} is not {error}") from None
    return read


def _shown(text: str) -> str:
    """Part of an option as it may be shown: not if it may be the end of a password that holds a question mark."""
    return "***" if "@" in text else repr(text)


def _path(location: Location, example: str) -> Path:
    """The path in a URL: relative or absolute as written, with its percent escapes undone."""
    scheme, place = location.scheme, location.place
    if place.startswith("//"):
        if scheme != "file" or not place.startswith("///"):
            advice = f"write {example} for a path from here, {scheme}:/data/… for an absolute one"
            raise ConfigError(f"{redact(f'{scheme}:{place}')}: no host may stand before the path; {advice}")
        place = place[3:] if _WINDOWS_PATH.match(place, 2) else place[2:]
    try:
        path = unquote(place, errors="strict")
    except UnicodeDecodeError:
        raise ConfigError(f"{scheme}:{place}: the percent escapes are not UTF-8") from None
    if not path.strip() or "\x00" in path:
        raise ConfigError(f"{scheme}: lacks a path; write {example}")
    return Path(path)
