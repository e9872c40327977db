"""The one place where the driver's errors become those of stat7; no other module of this package lets one out.

They have no common base, and some that the server names by a number newer than the driver arrive as the bare
`ErrorMessage`. The class is looked up first, then its bases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import cassandra
from cassandra import cluster, connection, metadata, pool, protocol, query, segment

from stat7.errors import ConfigError, Stat7Error, Unavailable

Translation: TypeAlias = Callable[[str, str], Stat7Error]
"""Makes the error to raise from where the store is and the driver's message."""


def _away(where: str, message: str) -> Stat7Error:
    return Unavailable(f"no node of Cassandra at {where} can be reached ({message}); check hosts and port, try again")


def _few(where: str, message: str) -> Stat7Error:
    advice = "bring back the nodes that are down (`nodetool status` lists them), or check the replication"
    return Unavailable(f"too few nodes of Cassandra at {where} are up ({message}); {advice}")


def _slow(where: str, message: str) -> Stat7Error:
    advice = "try again, give smaller batches, or raise timeout= in the URL"
    return Unavailable(f"Cassandra at {where} did not finish in time ({message}); {advice}")


def _failed(where: str, message: str) -> Stat7Error:
    return Unavailable(f"Cassandra at {where} could not finish ({message}); try again, and see the nodes' logs")


def _lost(where: str, message: str) -> Stat7Error:
    return Unavailable(f"the connection to Cassandra at {where} failed ({message}); try again")


def _busy(where: str, message: str) -> Stat7Error:
    return Unavailable(f"Cassandra at {where} is overloaded or starting ({message}); try again later")


def _unauthenticated(where: str, message: str) -> Stat7Error:
    advice = "check user and password in the URL, or CASSANDRA_USERNAME and CASSANDRA_PASSWORD"
    return ConfigError(f"Cassandra at {where} refused the login ({message}); {advice}")


def _forbidden(where: str, message: str) -> Stat7Error:
    return ConfigError(f"Cassandra at {where} forbids it ({message}); grant it to this user")


def _unfit(where: str, message: str) -> Stat7Error:
    advice = "check the keyspace in the URL, reopen the store, or restore a backup"
    return ConfigError(f"Cassandra at {where} refused a statement ({message}); {advice}")


def _unknown_host(where: str, message: str) -> Stat7Error:
    return Unavailable(f"no host of {where} has an address ({message}); check the URL and the name server")


def _misused(where: str, message: str) -> Stat7Error:
    return ConfigError(f"Cassandra at {where} and stat7 don't understand each other ({message}); update both")


KINDS: Final[dict[type[Exception], Translation]] = {
    cassandra.Unavailable: _few,
    cassandra.ReadTimeout: _slow,
    cassandra.WriteTimeout: _slow,
    cassandra.Timeout: _slow,
    cassandra.OperationTimedOut: _slow,
    cassandra.ReadFailure: _failed,
    cassandra.WriteFailure: _failed,
    cassandra.FunctionFailure: _failed,
    cassandra.CDCWriteFailure: _failed,
    cassandra.CoordinationFailure: _failed,
    cassandra.RequestExecutionException: _failed,
    cassandra.AlreadyExists: _unfit,
    cassandra.InvalidRequest: _unfit,
    cassandra.ConfigurationException: _unfit,
    cassandra.Unauthorized: _forbidden,
    cassandra.RequestValidationException: _unfit,
    cassandra.AuthenticationFailed: _unauthenticated,
    cassandra.UnsupportedOperation: _misused,
    cassandra.UnresolvableContactPoints: _unknown_host,
    cassandra.DriverException: _failed,
    cassandra.DependencyException: _misused,
    cluster.NoHostAvailable: _away,
    cluster.QueryExhausted: _misused,
    cluster.UserTypeDoesNotExist: _misused,
    connection.ProtocolVersionUnsupported: _misused,
    connection.ConnectionShutdown: _lost,
    connection.CrcMismatchException: _lost,
    connection.ConnectionException: _lost,
    connection.ConnectionBusy: _busy,
    connection.ProtocolError: _misused,
    connection.ConnectionHeartbeat.ShutdownException: _lost,
    metadata.NoMurmur3: _misused,
    pool.NoConnectionsAvailable: _busy,
    protocol.NotSupportedError: _misused,
    protocol.InternalError: _failed,
    protocol.BadCredentials: _unauthenticated,
    protocol.UnauthorizedErrorMessage: _forbidden,
    protocol.UnavailableErrorMessage: _few,
    protocol.OverloadedErrorMessage: _busy,
    protocol.IsBootstrappingErrorMessage: _busy,
    protocol.WriteTimeoutErrorMessage: _slow,
    protocol.ReadTimeoutErrorMessage: _slow,
    protocol.RequestValidationException: _unfit,
    protocol.ProtocolException: _misused,
    protocol.RequestExecutionException: _failed,
    protocol.ServerError: _failed,
    protocol.ErrorMessage: _failed,
    query.TraceUnavailable: _failed,
    segment.CrcException: _lost,
}
"""Translations by the driver's classes; a class that isn't named has that of its nearest base."""

ERRORS: Final = tuple(KINDS)
"""What the driver raises."""

UNKNOWN: Final = (
    cassandra.WriteTimeout,
    cassandra.WriteFailure,
    cassandra.OperationTimedOut,
    cassandra.ReadTimeout,
    connection.ConnectionException,
    protocol.ErrorMessage,
)
"""After one of these nobody knows whether a lightweight transaction was made: it must be read again."""

_ANSWERS: Final = (cassandra.RequestExecutionException, protocol.ErrorMessage)
_LONGEST: Final = 300


def translated(error: Exception, where: str) -> Stat7Error:
    """The stat7 error for one of the driver's."""
    for each in _causes(error):
        if isinstance(each, (cassandra.AuthenticationFailed, protocol.BadCredentials)):
            return _unauthenticated(where, _message(each))
    if isinstance(error, cluster.NoHostAvailable):
        # Nodes that answered something say more than that no other was left to ask.
        answers = (each for each in _causes(error) if isinstance(each, _ANSWERS))
        error = next(answers, error)
    return next(KINDS[kind] for kind in type(error).__mro__ if kind in KINDS)(where, _message(error))


def _causes(error: Exception) -> Iterator[Exception]:
    """The error, and what each of the nodes said if it is that none could be reached."""
    yield error
    errors = getattr(error, "errors", None)
    if isinstance(errors, dict):
        yield from (each for each in errors.values() if isinstance(each, Exception))


def _message(error: Exception) -> str:
    """What was wrong, on one line."""
    if isinstance(error, cluster.NoHostAvailable):
        said = {str(each) or type(each).__name__ for each in _causes(error) if each is not error}
        text = "; ".join(sorted(said)) or "all are down"
    elif isinstance(error, protocol.ErrorMessage):
        text = str(error.message)
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())[:_LONGEST]
