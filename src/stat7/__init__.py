"""stat7: a content-addressed store for entities and files with seven queryable coordinates."""

from stat7.address import Address
from stat7.entity import Coordinates, Entity
from stat7.query import Query
from stat7.record import Attachment, Notice

__version__ = "0.1.0"
