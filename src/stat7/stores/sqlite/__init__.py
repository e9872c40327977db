"""The store in one SQLite file, through apsw: for a laptop or a server, ten million entities, many processes at once.

store.py is the contract; schema.py the tables; put.py, erase.py and heads.py change them, writer.py gathers changes
into transactions; reader.py and find.py (with planner.py) read; check.py, health.py and bulk.py look after the whole.
"""

from stat7.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
