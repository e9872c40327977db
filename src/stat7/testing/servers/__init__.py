"""Real servers for tests and benchmarks, each on a free port of the loopback address with data in a temporary folder.

with PostgreSQL() as server:
    store = open_store(server.create_database())

Their programs come from `make servers`; without them `start` raises ProgramMissing, which says how to install what is
missing. The fixtures around them are in stat7.testing.fixtures. FaultProxy stands between a client and any server and
makes the network fail. A server ends with the process that started it, however that ends.
"""

from stat7.testing.servers.azure import AzureServer
from stat7.testing.servers.base import Server, ServerFailed
from stat7.testing.servers.cassandra import Cassandra, CassandraNode
from stat7.testing.servers.dynamodb import DynamoDB
from stat7.testing.servers.gateway import Gateway
from stat7.testing.servers.gcs import GcsServer
from stat7.testing.servers.objects import Bucket
from stat7.testing.servers.postgresql import PostgreSQL
from stat7.testing.servers.programs import PROGRAMS, Program, ProgramMissing
from stat7.testing.servers.prometheus import Alertmanager, Prometheus
from stat7.testing.servers.proxy import FaultProxy
from stat7.testing.servers.redis import Redis
from stat7.testing.servers.s3 import S3Server

__all__ = [
    "PROGRAMS",
    "Alertmanager",
    "AzureServer",
    "Bucket",
    "Cassandra",
    "CassandraNode",
    "DynamoDB",
    "FaultProxy",
    "Gateway",
    "GcsServer",
    "PostgreSQL",
    "Program",
    "ProgramMissing",
    "Prometheus",
    "Redis",
    "S3Server",
    "Server",
    "ServerFailed",
]
