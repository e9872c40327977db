"""The store on Apache Cassandra through its official driver: many nodes, and the loss of one of three costs nothing.

Tables and their version: schema.py; what a row holds and which partition it lies in: rows.py. In which order things are
written, so that whatever stops a write halfway leaves nothing wrong behind: put.py and erase.py. Heads move by
lightweight transactions: heads.py. Errors of the driver become ours in errors.py and nowhere else.
"""

from stat7.stores.cassandra.settings import Settings
from stat7.stores.cassandra.store import CassandraStore

__all__ = ["CassandraStore", "Settings"]
