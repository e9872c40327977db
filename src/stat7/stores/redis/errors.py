"""The one place where the errors of redis-py become those of stat7, for `doctor`; reads never show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from redis import exceptions as driver

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable

Translation: TypeAlias = Callable[[str, str], Stat7Error]
"""Makes the error to raise from the cache's place (without secrets) and the driver's message."""


def _down(place: str, message: str) -> Stat7Error:
    return Unavailable(f"the cache {place} does not answer ({message}); reads go to the store meanwhile")


def _busy(place: str, message: str) -> Stat7Error:
    return Unavailable(f"the cache {place} is busy ({message}); reads go to the store meanwhile")


def _refused(place: str, message: str) -> Stat7Error:
    return ConfigError(
        f"the cache {place} refuses the login ({message}); give user and password: redis://USER:PASSWORD@HOST:PORT/0"
    )


def _forbidden(place: str, message: str) -> Stat7Error:
    return ConfigError(
        f"the cache {place} forbids a command ({message}); allow its user mget, set, get, eval, del and info"
    )


def _full(place: str, message: str) -> Stat7Error:
    return StoreFull(f"the cache {place} is full ({message}); set maxmemory-policy allkeys-lru")


def _replica(place: str, message: str) -> Stat7Error:
    return ConfigError(f"the cache {place} is a read-only replica ({message}); name the primary server")


def _cluster(place: str, message: str) -> Stat7Error:
    return ConfigError(f"the cache {place} is part of a cluster ({message}); name a Redis that stands alone")


def _foreign(place: str, message: str) -> Stat7Error:
    return ConfigError(
        f"what answers at {place} does not speak as Redis does ({message}); correct host, port and rediss"
    )


def _misused(place: str, message: str) -> Stat7Error:
    return ConfigError(f"the cache {place} refused a command ({message}); use Redis 6 or later, or report it as a bug")


TRANSLATIONS: Final[dict[type[BaseException], Translation]] = {
    driver.ConnectionError: _down,
    driver.TimeoutError: _down,
    driver.MaxConnectionsError: _busy,
    driver.BusyLoadingError: _busy,
    driver.TryAgainError: _busy,
    driver.ChildDeadlockedError: _busy,
    driver.LockError: _busy,
    driver.LockNotOwnedError: _busy,
    driver.WatchError: _busy,
    driver.AuthenticationError: _refused,
    driver.AuthenticationWrongNumberOfArgsError: _refused,
    driver.AuthorizationError: _refused,
    driver.ExternalAuthProviderError: _refused,
    driver.IncorrectPolicyType: _refused,
    driver.NoPermissionError: _forbidden,
    driver.OutOfMemoryError: _full,
    driver.ReadOnlyError: _replica,
    driver.MasterDownError: _replica,
    driver.ClusterError: _cluster,
    driver.ClusterDownError: _cluster,
    driver.AskError: _cluster,
    driver.MovedError: _cluster,
    driver.ClusterCrossSlotError: _cluster,
    driver.CrossSlotTransactionError: _cluster,
    driver.SlotNotCoveredError: _cluster,
    driver.RedisClusterException: _cluster,
    driver.InvalidResponse: _foreign,
    driver.RedisError: _misused,
    driver.ResponseError: _misused,
    driver.DataError: _misused,
    driver.PubSubError: _misused,
    driver.NoScriptError: _misused,
    driver.ExecAbortError: _misused,
    driver.ModuleError: _misused,
    driver.NoSuchFieldsetError: _misused,
    driver.InvalidPipelineStack: _misused,
}


def translated(error: BaseException, place: str) -> Stat7Error:
    """The stat7 error for what went wrong with the cache at `place`, a text without secrets."""
    message = " ".join(str(error).split()) or type(error).__name__
    if message.startswith("NOAUTH"):
        return _refused(place, message)
    # A class that a later redis-py adds is treated like its nearest known ancestor; the system's own errors like a
    # server that is down; what is neither came from bytes that make no sense.
    known = next((TRANSLATIONS[kind] for kind in type(error).__mro__ if kind in TRANSLATIONS), None)
    if known is None:
        known = _down if isinstance(error, OSError) else _foreign
    return known(place, message)
