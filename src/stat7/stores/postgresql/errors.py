"""The one place where psycopg's errors become those of stat7; no other module of this package lets one out.

The server names each error by five characters (SQLSTATE), of which the first two are its class. The exact one is
looked up first, then its class, then the kind of psycopg's exception.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

import psycopg
from psycopg import errors as pg

from stat7.errors import ConfigError, Corrupt, Stat7Error, StoreFull, Unavailable

Translation: TypeAlias = Callable[[str, str], Stat7Error]
"""Makes the error to raise from where the store is and the driver's message."""


def _lost(where: str, message: str) -> Stat7Error:
    return Unavailable(f"the connection to PostgreSQL at {where} failed ({message}); try again")


def _starting(where: str, message: str) -> Stat7Error:
    return Unavailable(f"PostgreSQL at {where} is starting, stopping or recovering ({message}); try again soon")


def _crowded(where: str, message: str) -> Stat7Error:
    advice = "close other clients, lower pool= in the URL, or raise max_connections"
    return Unavailable(f"PostgreSQL at {where} has no connection left ({message}); {advice}")


def _short(where: str, message: str) -> Stat7Error:
    return Unavailable(f"PostgreSQL at {where} is short of memory or another resource ({message}); try again later")


def _full(where: str, message: str) -> Stat7Error:
    return StoreFull(f"no disk space left at {where} ({message}); nothing of this call was stored, free some space")


def _slow(where: str, message: str) -> Stat7Error:
    advice = "try again, give smaller batches, or raise timeout= in the URL"
    return Unavailable(f"PostgreSQL at {where} did not finish in time ({message}); {advice}")


def _raced(where: str, message: str) -> Stat7Error:
    return Unavailable(f"others write the same at {where} ({message}); try again")


def _read_only(where: str, message: str) -> Stat7Error:
    advice = "name the primary server, or add target_session_attrs=read-write to the URL"
    return ConfigError(f"PostgreSQL at {where} takes no writes ({message}); {advice}")


def _unauthenticated(where: str, message: str) -> Stat7Error:
    advice = "check user and password in the URL, PGPASSWORD or ~/.pgpass, and the server's pg_hba.conf"
    return ConfigError(f"PostgreSQL at {where} refused the login ({message}); {advice}")


def _no_database(where: str, message: str) -> Stat7Error:
    return ConfigError(f"there is no such database at {where} ({message}); create it (createdb), or mend the URL")


def _forbidden(where: str, message: str) -> Stat7Error:
    advice = "grant it to this user, or let the database's owner open the store once"
    return ConfigError(f"PostgreSQL at {where} forbids it ({message}); {advice}")


def _unfit(where: str, message: str) -> Stat7Error:
    advice = "check schema= in the URL, reopen the store, or restore a backup"
    return ConfigError(f"the tables at {where} are not as stat7 made them ({message}); {advice}")


def _damaged(where: str, message: str) -> Stat7Error:
    return Corrupt(where, f"PostgreSQL says: {message}")


def _failed(where: str, message: str) -> Stat7Error:
    return Unavailable(f"PostgreSQL at {where} could not finish ({message}); try again, and see the server's log")


def _misplaced(where: str, message: str) -> Stat7Error:
    if "_range" not in message:
        return _unfit(where, message)
    advice = "use the set's map as the store: shards:FILE; nothing was written"
    return ConfigError(
        f"{where} is one shard of several and takes only what its shard map gives it ({message}); {advice}"
    )


def _misused(where: str, message: str) -> Stat7Error:
    return ConfigError(f"PostgreSQL at {where} refused a statement ({message}); update stat7, or report it as a bug")


STATES: Final[dict[str, Translation]] = {
    "23514": _misplaced,  # check_violation
    "25006": _read_only,  # read_only_sql_transaction
    "28000": _unauthenticated,
    "28P01": _unauthenticated,
    "3D000": _no_database,
    "3F000": _unfit,  # invalid_schema_name
    "42501": _forbidden,
    "42P01": _unfit,  # undefined_table
    "42703": _unfit,  # undefined_column
    "42P10": _unfit,  # the unique index that ON CONFLICT needs is gone
    "53100": _full,
    "53300": _crowded,
    "54000": _full,
    "55P03": _slow,  # lock_not_available
    "55006": _raced,  # object_in_use
    "57014": _slow,  # query_canceled, by statement_timeout or by an administrator
    "57P01": _starting,
    "57P02": _starting,
    "57P03": _starting,
    "57P04": _no_database,
    "57P05": _lost,
    "25P03": _slow,
    "25P04": _slow,
    "58030": _failed,  # io_error
    "XX001": _damaged,  # data_corrupted
    "XX002": _damaged,  # index_corrupted
}
"""Translations by SQLSTATE."""

CLASSES: Final[dict[str, Translation]] = {
    "02": _misused,
    "03": _misused,
    "08": _lost,
    "09": _misused,
    "0A": _misused,
    "0B": _misused,
    "0F": _misused,
    "0L": _forbidden,
    "0P": _forbidden,
    "0Z": _misused,
    "10": _misused,
    "20": _misused,
    "21": _misused,
    "22": _misused,
    "23": _unfit,
    "24": _misused,
    "25": _misused,
    "26": _lost,  # a pooler between us and the server has forgotten a prepared statement
    "27": _misused,
    "28": _unauthenticated,
    "2B": _forbidden,
    "2D": _misused,
    "2F": _misused,
    "34": _misused,
    "38": _misused,
    "39": _misused,
    "3B": _misused,
    "3D": _no_database,
    "3F": _unfit,
    "40": _raced,
    "42": _misused,
    "44": _unfit,
    "53": _short,
    "54": _misused,
    "55": _unfit,
    "57": _failed,
    "58": _failed,
    "72": _raced,
    "F0": _misused,
    "HV": _misused,
    "P0": _misused,
    "XX": _failed,
}
"""Translations by the class of the SQLSTATE."""

KINDS: Final[dict[type[psycopg.Error], Translation]] = {
    pg.ConnectionTimeout: _lost,
    pg.CancellationTimeout: _lost,
    pg.PipelineAborted: _misused,
    psycopg.OperationalError: _lost,
    psycopg.InterfaceError: _lost,
    psycopg.IntegrityError: _unfit,
    psycopg.InternalError: _damaged,
    psycopg.DataError: _misused,
    psycopg.NotSupportedError: _misused,
    psycopg.ProgrammingError: _misused,
    psycopg.DatabaseError: _failed,
    psycopg.Error: _failed,
}
"""Translations by psycopg's own classes, for errors that came from the driver and not from the server."""

# libpq keeps no SQLSTATE of a connection that failed: its text is all there is, in the server's language. What isn't
# recognised is still told as it is.
_REFUSALS: Final = (
    (re.compile(r"password authentication failed|no password supplied|no pg_hba\.conf|role .* does not exist|"
                r"authentication failed|SASL|certificate", re.IGNORECASE), _unauthenticated),
    (re.compile(r"database .* does not exist"), _no_database),
    (re.compile(r"too many (?:clients|connections)|remaining connection slots|connection limit"), _crowded),
    (re.compile(r"is starting up|is shutting down|recovery mode|not yet accepting"), _starting),
    (re.compile(r"permission denied for database"), _forbidden),
    (re.compile(r"session is (?:not )?read-only|server is (?:not )?in hot standby"), _read_only),
)  # fmt: skip

RETRYABLE: Final = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected: nothing was done, and the same again may succeed at once."""

UNREADABLE: Final = frozenset({*(state for state, told in STATES.items() if told is _damaged), "58030", "XX000"})
"""What the server says of a row that it can't read: damage, a disk that fails, or an internal error over its bytes."""

LATE: Final = frozenset({"55P03", "57014"})
"""lock_not_available and query_canceled: the time is up, and the same again would take as long."""


def translated(error: psycopg.Error, where: str) -> Stat7Error:
    """The stat7 error for one of psycopg's."""
    message = _message(error)
    state = error.sqlstate
    if state is not None and (known := STATES.get(state) or CLASSES.get(state[:2])) is not None:
        return known(where, message)
    return next(KINDS[kind] for kind in type(error).__mro__ if kind in KINDS)(where, message)


def refused(error: psycopg.Error, where: str, password: str | None) -> Stat7Error:
    """The stat7 error for a connection that could not be made."""
    message = _message(error)
    if password:
        message = message.replace(password, "***")
    for pattern, translation in _REFUSALS:
        if pattern.search(message):
            return translation(where, message)
    return Unavailable(f"can't connect to PostgreSQL at {where} ({message}); check host and port, and that it runs")


def _message(error: psycopg.Error) -> str:
    """What was wrong, on one line: the server's first sentence without its details, which may quote data."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    return " ".join(text.split())
