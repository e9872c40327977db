"""The store on PostgreSQL through psycopg: many processes and machines share it, and it is as durable as the server.

Tables and their version: schema.py. Which way a query is answered: planner.py. What is locked in which order, so that
no two calls wait for each other: put.py and erase.py. Errors of the driver become ours in errors.py and nowhere else.
"""

from stat7.stores.postgresql.settings import Settings
from stat7.stores.postgresql.store import PostgreSQLStore

__all__ = ["PostgreSQLStore", "Settings"]
