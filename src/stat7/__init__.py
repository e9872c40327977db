"""stat7: a content-addressed store for entities and files with seven queryable coordinates.

Names are loaded when first used, so that starting the command line costs only what the command needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stat7.address import Address as Address
    from stat7.entity import Coordinates as Coordinates
    from stat7.entity import Entity as Entity
    from stat7.errors import Stat7Error as Stat7Error
    from stat7.opening import open as open
    from stat7.query import Query as Query
    from stat7.record import Attachment as Attachment
    from stat7.record import Notice as Notice
    from stat7.repository import Repository as Repository

__version__ = "0.1.0"

_HOMES = {
    "Address": "stat7.address",
    "Attachment": "stat7.record",
    "Coordinates": "stat7.entity",
    "Entity": "stat7.entity",
    "Notice": "stat7.record",
    "Query": "stat7.query",
    "Repository": "stat7.repository",
    "Stat7Error": "stat7.errors",
    "open": "stat7.opening",
}

__all__ = [
    "Address",
    "Attachment",
    "Coordinates",
    "Entity",
    "Notice",
    "Query",
    "Repository",
    "Stat7Error",
    "open",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stat7' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
