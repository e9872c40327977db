"""Sizing on paper: the nodes, bytes and money that a load takes on Cassandra, sharded PostgreSQL and DynamoDB.

`python scripts/scaling.py` prints the tables of docs/scaling.md, `--json` the same for programs. Every number that goes
in is a `Known`, with its unit and where it comes from; the rest is arithmetic and a small seeded simulation.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import statistics
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import ClassVar, Final, NamedTuple, TypeAlias

Cell: TypeAlias = str | float
"""What a table holds: text, or a number (a float is shown with three digits, an int with all)."""


class Known(float):
    """A number that goes in, and where it comes from."""

    all: ClassVar[list[list[Cell]]] = []

    def __new__(cls, value: float, what: str, unit: str, source: str) -> Known:
        """Take it down for the last table."""
        cls.all.append([what, value, unit, source])
        return super().__new__(cls, value)


_BENCH: Final = "measured: benchmarks.md, PostgreSQL, "
_ONE_RUN: Final = "measured once: 3 nodes, RF 3, QUORUM"
_GUESS, _PRICE, _GUIDE = "assumption", "list price us-east-1, 2024-11-01", "DynamoDB developer guide, 2024"
MEASURED_CORES: Final = Known(2, "cores of every measurement", "vCPU", "shared by clients and servers; loopback")
PG_GET: Final = Known(12_000, "PostgreSQL: gets", "/s", _BENCH + "verified get, threads: 16")
PG_MIX: Final = Known(7_370, "PostgreSQL: 70 % gets, 30 % puts", "/s", _BENCH + "mixed 70/30 at 16 threads")
PG_BATCH: Final = Known(15_300, "PostgreSQL: puts in batches of 5,000", "/s", _BENCH + "durable ingest")
PG_HEAD: Final = Known(0.5, "PostgreSQL: to move a head by itself", "of a put", _GUESS)
C_READ: Final = Known(1_000, "Cassandra: rows read one by one", "/s", _ONE_RUN + " (900 to 1,100)")
C_READ_25: Final = Known(1_820, "Cassandra: rows read 25 at a time", "/s", _ONE_RUN + " (1,000 in 0.55 s)")
C_WRITE: Final = Known(850, "Cassandra: rows written one by one", "/s", _ONE_RUN + " (760 to 940)")
C_BATCH: Final = Known(9_000, "Cassandra: rows in batches of a partition", "/s", _ONE_RUN + " (6,000 to 13,000)")
C_CAS: Final = Known(220, "Cassandra: lightweight transactions", "/s", _ONE_RUN + " (160 to 280)")
C_PUBLISHED: Final = Known(2_860, "Cassandra: writes to replicas", "/s a core", "Netflix, 2011: 3.3 M, 288 x 4 cores")
C_DENSITY: Final = Known(2_000, "Cassandra: most data of a node", "GB", "DataStax, capacity planning, 2024")
C_FILLED: Final = Known(0.5, "Cassandra: disk filled", "of all", _GUESS + "; the rest is for compaction")
PG_FILLED: Final = Known(0.7, "PostgreSQL: disk filled", "of all", _GUESS)
PG_CACHED: Final = Known(0.7, "PostgreSQL: memory that holds pages", "of all", _GUESS)
PG_CHECKPOINT: Final = Known(1_800, "PostgreSQL: between two checkpoints", "s", "as in the benchmarks")
NODE_CORES: Final = Known(16, "a node: cores", "vCPU", _GUESS)
NODE_MEMORY: Final = Known(128, "a node: memory", "GB", _GUESS)
NODE_DISK: Final = Known(3_750, "a node: local NVMe disk", "GB", _GUESS)
NODE_PRICE: Final = Known(1_000, "a node: price", "$/month", _GUESS)
BUSY: Final = Known(0.5, "a node: part of its cores busy, as planned", "of all", _GUESS)
ZONE_PRICE: Final = Known(0.02, "traffic from zone to zone", "$/GB", "AWS list price, 2024: $0.01 on each side")
ZONES: Final = Known(3, "zones, with clients and nodes in each", "", _GUESS)
MESSAGE: Final = Known(100, "a message besides its content", "B", _GUESS)
ID: Final = Known(12, "an id", "B", _GUESS + "; as in the benchmarks")
KINDS: Final = Known(17, "realm and entity type together", "B", _GUESS + "; as in the benchmarks")
HOT_LINK: Final = Known(0.01, "links that name the most named neighbour", "of all", _GUESS)
HOT_REALM: Final = Known(0.45, "entities of the largest realm", "of all", _GUESS + "; as in the benchmarks")
WRU: Final = Known(0.625, "DynamoDB: a million write units (1 KB each)", "$", _PRICE)
RRU: Final = Known(0.125, "DynamoDB: a million read units (4 KB each)", "$", _PRICE)
STORAGE: Final = Known(0.25, "DynamoDB: storage", "$/GB-month", _PRICE)
ITEM: Final = Known(100, "DynamoDB: bytes billed with each item stored", "B", "DynamoDB pricing, 2024")
HOT_WRITES: Final = Known(1_000, "DynamoDB: write units of one partition", "/s", _GUIDE)
HOT_READS: Final = Known(3_000, "DynamoDB: read units of one partition", "/s", _GUIDE)
QUOTA: Final = Known(40_000, "DynamoDB: units of a table, unless raised", "/s", _GUIDE)

REMOTE: Final = 1 - 1 / ZONES
"""The part of the clients' requests that goes to another zone."""
MONTH: Final = 30 * 24 * 3600
RF: Final = 3
HORIZONS: Final = 5
# How the stores divide: parts of all links; parts of all documents, quarters of a key.
C_LINK_PARTS, D_PARTS, D_QUARTERS = 512, 64, 4
POSSIBLE_BUCKETS: Final = (4, 16, 64)
"""Of a Cassandra store: what is the default, what is planned with here, and the most."""
C_BUCKETS: Final = POSSIBLE_BUCKETS[1]
SMALL_REALMS: Final = 6
"""Besides the largest."""


class Load(NamedTuple):
    """What is asked for: entities stored, operations a second, the part of them that are gets (the others are puts of
    new entities); links of an entity and canonical bytes of its document, on average."""

    entities: float
    ops: float
    read_share: float
    links: float
    document_bytes: float

    def rate(self, get: float, put: float) -> float:
        """What all operations of a second take, if a get and a put take so much."""
        return self.ops * (self.read_share * get + (1 - self.read_share) * put)


class Plan(NamedTuple):
    """Nodes (of PostgreSQL shards) by each bound, all servers, bytes between zones of a get and a put, $ a month."""

    bounds: list[Cell]
    servers: int
    sent: tuple[float, float]
    dollars: float


class Table(NamedTuple):
    """A heading, the columns and the rows."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]


# Bytes of an entity: its document with facts, its index rows, its links, its head.


def cassandra_bytes(load: Load) -> list[float]:
    """On one replica, not compressed: keys, values, headers of partitions and rows, 6 bytes for each cell's own."""
    document = 67 + 8 + 10 * 6 + 21 + ID + KINDS + 16 * load.links + load.document_bytes
    return [document, 66, load.links * (80 + KINDS / 2 + 9), 90 + ID]


def postgresql_bytes(load: Load) -> list[float]:
    """Rows with their headers; indexes that grow at random places are 70 % full, heads 80 %."""
    document = 36 + 60 + KINDS + ID + 44 + load.links * (16 + ID) + 8 + load.document_bytes
    return [document, 2 * 84 / 0.7, load.links * 28 / 0.7, (62 + ID) / 0.8 + 28 / 0.7]


def dynamodb_bytes(load: Load) -> list[float]:
    """Names and values of the items, without what is billed besides."""
    facts = ID + KINDS / 2 + 20
    return [96 + facts + 16 * load.links + load.document_bytes, 94 + facts, load.links * (69 + facts), 72 + ID]


def dynamodb_billed(load: Load) -> float:
    """Bytes billed for an entity: document, index row, head, and a link for each."""
    return sum(dynamodb_bytes(load)) + ITEM * (3 + load.links)


# Cost of a get and of a put: core seconds (cores / rate), or units.


def cassandra_cost(load: Load, batched: bool = False) -> tuple[float, float]:
    """A put: its head, its address before and after read; index row and links; document; a lightweight transaction."""
    read, row = (C_READ_25, C_BATCH) if batched else (C_READ, C_WRITE)
    put = 3 / read + (1 + load.links) / row + 1 / C_WRITE + 1 / C_CAS
    return MEASURED_CORES / read, MEASURED_CORES * put


def published(cost: tuple[float, float]) -> tuple[float, float]:
    """The same, if everything is as much cheaper as the published writes are than those measured here."""
    factor = C_WRITE * RF / MEASURED_CORES / C_PUBLISHED
    return cost[0] * factor, cost[1] * factor


def postgresql_cost(batched: bool = False) -> tuple[float, float]:
    """A put: its head read, the put that the mixed load leaves over, its head moved on another shard."""
    get = MEASURED_CORES / PG_GET
    put = (MEASURED_CORES / PG_MIX - 0.7 * get) / 0.3
    return get, MEASURED_CORES / PG_BATCH if batched else get + put * (1 + PG_HEAD)


def dynamodb_units(load: Load) -> tuple[int, int, float]:
    """Read units of a get, write units of a document, write units of a put (document, index, links, head)."""
    document = dynamodb_bytes(load)[0]
    writes = math.ceil(document / 1024)
    return math.ceil(document / 4096), writes, writes + 1 + load.links + 1


# What a load takes.


def cassandra_plan(load: Load, cost: tuple[float, float]) -> Plan:
    """Three replicas of everything, one in each zone."""
    size = sum(cassandra_bytes(load))
    disk = math.ceil(load.entities * size * RF / 1e9 / min(C_DENSITY, NODE_DISK * C_FILLED))
    busy = math.ceil(load.rate(*cost) / (NODE_CORES * BUSY))
    statements = 3 + 2 + load.links + 3  # a lightweight transaction has three rounds
    put = (RF - 1 + REMOTE) * (size + 2 * MESSAGE * statements)
    get = REMOTE * (load.document_bytes + 2 * MESSAGE) + 2 * MESSAGE
    return _priced(load, [disk, "-", busy], max(disk, busy, RF), (get, put))


def postgresql_plan(load: Load) -> Plan:
    """Shards, each with a standby in another zone."""
    sizes = postgresql_bytes(load)
    disk = math.ceil(load.entities * sum(sizes) / 1e9 / (NODE_DISK * PG_FILLED))
    memory = math.ceil(load.entities * sum(sizes[1:]) / 1e9 / (NODE_MEMORY * PG_CACHED))
    busy = math.ceil(load.rate(*postgresql_cost()) / (NODE_CORES * BUSY))
    get = REMOTE * (load.document_bytes + 2 * MESSAGE)
    return _priced(load, [disk, memory, busy], 2 * max(disk, memory, busy), (get, 2 * get + postgresql_log(load)))


def postgresql_log(load: Load) -> float:
    """Log bytes of a put: what it changes, and each page whole that it is the first to change since a checkpoint."""
    sizes = postgresql_bytes(load)
    pages, touched = load.entities * sum(sizes[1:]) / 8192, 4 + load.links
    puts = max(load.rate(0, 1), 1e-3) * PG_CHECKPOINT
    whole = pages * -math.expm1(-touched * puts / pages) / puts
    return sizes[0] + MESSAGE * touched + 8192 * whole


def dynamodb_plan(load: Load) -> Plan:
    """Units and storage; within a region its traffic is free."""
    get, _, writes = dynamodb_units(load)
    units = load.rate(get * RRU, writes * WRU + RRU) * MONTH / 1e6
    return Plan([], 0, (0.0, 0.0), units + load.entities * dynamodb_billed(load) / 1e9 * STORAGE)


def _priced(load: Load, bounds: list[Cell], servers: int, sent: tuple[float, float]) -> Plan:
    return Plan(bounds, servers, sent, servers * NODE_PRICE + load.rate(*sent) * MONTH / 1e9 * ZONE_PRICE)


def plans(load: Load) -> dict[str, Plan]:
    """By engine."""
    return {
        "Cassandra, as measured": cassandra_plan(load, cassandra_cost(load)),
        "Cassandra, published rate": cassandra_plan(load, published(cassandra_cost(load))),
        "sharded PostgreSQL": postgresql_plan(load),
        "DynamoDB, on demand": dynamodb_plan(load),
    }


# What averages hide.


def busiest_second(shards: int, ops: int, chance: random.Random) -> float:
    """Operations of the busiest shard in one second over the mean, all ids being equally popular."""
    counts = [0] * shards
    for _ in range(ops):
        counts[int(chance.random() * shards)] += 1
    return max(counts) * shards / ops


def busiest_shard(shards: int, exponent: float, entities: float) -> float:
    """Load of the busiest shard over the mean, the n-th most popular id being asked for n ** -exponent times.

    The most popular 10,000 lie where their SHA-256 says, all others evenly.
    """
    first, power = min(10_000, int(entities)), 1 - exponent
    others = math.log(entities / first) if power == 0 else (entities**power - first**power) / power
    loads = [others / shards] * shards
    for rank in range(1, first + 1):
        digest = sha256(f"id/{rank}".encode()).digest()
        loads[int.from_bytes(digest[:4], "big") * shards >> 32] += rank**-exponent
    return max(loads) * shards / sum(loads)


def busiest_node(nodes: int, load: Load, chance: random.Random) -> tuple[float, float]:
    """Index rows, and work in all, of the busiest node of a cluster over the mean: the median of 15 placements."""
    each = [HOT_REALM] + [(1 - HOT_REALM) / SMALL_REALMS] * SMALL_REALMS
    parts = [realm / (HORIZONS * C_BUCKETS) for realm in each for _ in range(HORIZONS * C_BUCKETS)]
    parts += [load.links / C_LINK_PARTS] * C_LINK_PARTS
    found = []
    for _ in range(15):
        rows = [0.0] * nodes
        for part in parts:
            for node in chance.sample(range(nodes), RF):
                rows[node] += part
        found.append(max(rows) * nodes / sum(rows))
    most = statistics.median(found)
    share = load.rate(0, MEASURED_CORES * (1 + load.links) / C_WRITE) / load.rate(*cassandra_cost(load))
    return most, 1 + share * (most - 1)


def waiting(busy: float) -> float:
    """The 99th percentile of waiting for a core of a node, in mean times of the work; inf if more and more waits.

    Poisson arrivals, exponential work, one queue (Erlang C).
    """
    cores = int(NODE_CORES)
    if busy >= 1:
        return math.inf
    blocked = 1.0
    for number in range(1, cores + 1):
        blocked *= busy * cores / (number + busy * cores * blocked)
    waits = blocked / (1 - busy * (1 - blocked))
    return max(0.0, math.log(waits / 0.01) / (cores * (1 - busy)))


def races(writers: int, chance: random.Random, moves: int = 3_000) -> tuple[float, float]:
    """Tries for a move, and moves in the mean time of a try, of writers that all move one head again and again.

    A try reads the head, takes 0.5 to 1.5 mean times, and is lost if the head moved meanwhile.
    """
    version, tries, now = 0, 0, 0.0
    under_way = [(chance.uniform(0.5, 1.5), number, 0) for number in range(writers)]
    heapq.heapify(under_way)
    while version < moves:
        now, number, read = under_way[0]
        tries, version = tries + 1, version + (read == version)
        heapq.heapreplace(under_way, (now + chance.uniform(0.5, 1.5), number, version))
    return tries / version, version / now


# Tables.


def sizes_table(load: Load) -> Table:
    """How many servers for what, and what a million operations cost."""
    rows: list[list[Cell]] = []
    for divisor in (100, 10, 1):
        small = load._replace(entities=load.entities / divisor, ops=load.ops / divisor)
        for name, plan in plans(small).items():
            million = plan.dollars * 1e6 / (small.ops * MONTH)
            rows.append([small.entities, small.ops, name, plan.servers or "-", plan.dollars, million])
    columns = ["entities", "operations/s", "engine", "servers", "$/month", "$ per million operations"]
    return Table("How many servers", columns, rows)


def bounds_table(load: Load) -> Table:
    """Which bound decides, and the network."""
    rows: list[list[Cell]] = []
    for name, plan in list(plans(load).items())[:-1]:
        gbit = load.rate(*plan.sent) * 8 / 1e9
        rows.append([name, *plan.bounds, *plan.sent, gbit, gbit / plan.servers, gbit / 8 * MONTH * ZONE_PRICE])
    columns = ["engine", "by disk", "by memory", "by operations", "B a get", "B a put", "Gbit/s", "a server", "$/month"]
    return Table("What decides, and the traffic between zones", columns, rows)


def costs_table(load: Load) -> Table:
    """What one operation costs."""
    single, batched = cassandra_cost(load), cassandra_cost(load, batched=True)
    found = {
        "Cassandra, as measured": single,
        "Cassandra, as measured, in batches": batched,
        "Cassandra, published rate": published(single),
        "Cassandra, published rate, in batches": published(batched),
        "sharded PostgreSQL": postgresql_cost(),
        "one PostgreSQL, puts in batches": postgresql_cost(batched=True),
    }
    rows: list[list[Cell]] = [[name, *(each * 1e3 for each in cost)] for name, cost in found.items()]
    return Table("Core milliseconds of an operation", ["engine", "get", "put"], rows)


def units_table(load: Load) -> Table:
    """What one operation costs on DynamoDB."""
    get, document, writes = dynamodb_units(load)
    rows: list[list[Cell]] = [
        ["get", get, 0, 0, 0, 0, get * RRU],
        ["put", 1, document, 1, load.links, 1, writes * WRU + RRU],
    ]
    columns = ["", "RRU", "WRU: document", "index", "links", "head", "$ a million"]
    return Table("Request units of an operation, DynamoDB", columns, rows)


def bytes_table(load: Load) -> Table:
    """Bytes of an entity."""
    rows: list[list[Cell]] = []
    for name, sizes, copies in (
        ("Cassandra", cassandra_bytes(load), float(RF)),
        ("PostgreSQL", postgresql_bytes(load), 2.0),
        ("DynamoDB", dynamodb_bytes(load), dynamodb_billed(load) / sum(dynamodb_bytes(load))),
    ):
        rows.append([name, *sizes, sum(sizes), sum(sizes) * copies, sum(sizes) * copies * load.entities / 1e12])
    columns = ["engine", "document", "index rows", "links", "head", "together", "with copies", "all entities, TB"]
    return Table("Bytes of an entity", columns, rows)


def shards_table(load: Load, chance: random.Random) -> Table:
    """The busiest shard."""
    rows: list[list[Cell]] = []
    for count in sorted({max(2, plans(load)["sharded PostgreSQL"].servers // 2), 16, D_PARTS}):
        uniform = busiest_second(count, min(100_000, int(load.ops)), chance)
        rows.append([count, uniform, *(busiest_shard(count, exponent, load.entities) for exponent in (0.8, 1.0, 1.2))])
    columns = ["shards", "all ids alike", "Zipf 0.8", "Zipf 1.0", "Zipf 1.2"]
    return Table("The busiest shard, times the mean", columns, rows)


def keys_table(load: Load) -> Table:
    """The busiest keys of DynamoDB."""
    get, document, writes = dynamodb_units(load)
    gets, puts = load.rate(1, 0), load.rate(0, 1)
    popular = gets * get / (math.log(load.entities) + 0.577)  # over 1 + 1/2 + ... + 1/n, nearly
    found = [
        ("largest cell of the index: writes", puts * HOT_REALM / HORIZONS / D_QUARTERS, HOT_WRITES),
        ("links of the most named neighbour, a quarter: writes", puts * load.links * HOT_LINK / D_QUARTERS, HOT_WRITES),
        ("a part of the documents: writes", puts * document / D_PARTS, HOT_WRITES),
        ("a part of the documents: reads, all alike", gets * get / D_PARTS, HOT_READS),
        ("most popular document, Zipf 1.0: reads", popular, HOT_READS),
        ("the table: writes", puts * (writes - 1), QUOTA),
        ("the table: reads", gets * get + puts, QUOTA),
    ]
    rows: list[list[Cell]] = [[what, units, limit, units / limit] for what, units, limit in found]
    return Table("The busiest keys of DynamoDB", ["what", "units/s", "limit", "of the limit"], rows)


def loss_table(load: Load, chance: random.Random) -> Table:
    """The busiest node of Cassandra, and what a lost one does to it."""
    rows: list[list[Cell]] = []
    for nodes in sorted({RF, *(plan.servers for name, plan in plans(load).items() if name.startswith("Cassandra"))}):
        index, work = busiest_node(nodes, load, chance)
        for planned in (float(BUSY), 0.7, 0.8):
            before, after = planned * work, planned * work * nodes / (nodes - 1)
            rows.append([nodes, index, work, planned, before, waiting(before), after, waiting(after)])
    columns = ["nodes", "index rows", "work", "mean busy", "busiest", "p99 wait", "busiest, one lost", "p99 wait"]
    return Table("The busiest node of Cassandra, and one lost", columns, rows)


def partitions_table(load: Load) -> Table:
    """The largest partitions of Cassandra's index tables; links are taken to be spread evenly."""
    _, cell, link, _ = cassandra_bytes(load)
    rows: list[list[Cell]] = []
    for buckets in POSSIBLE_BUCKETS:
        count = load.entities * HOT_REALM / HORIZONS / buckets
        rows.append([f"cells, buckets={buckets}: the largest realm, one horizon", count, count * cell / 1e6])
    rows.append(["links", load.entities * load.links / C_LINK_PARTS, load.entities * link / C_LINK_PARTS / 1e6])
    return Table("The largest partitions of Cassandra", ["table", "rows", "MB"], rows)


def races_table(chance: random.Random) -> Table:
    """Many writers, one head."""
    rows: list[list[Cell]] = []
    for writers in (1, 2, 4, 8, 16, 32):
        tries, rate = races(writers, chance)
        rows.append([writers, tries, 1 - 1 / tries, rate / 0.005, rate / 0.020])
    columns = ["writers", "tries a move", "part lost", "moves/s, a try 5 ms", "moves/s, a try 20 ms"]
    return Table("Races for one head", columns, rows)


def tables(load: Load) -> Iterator[Table]:
    """All of them, the same for the same load."""
    chance = random.Random(7)
    yield from (make(load) for make in (sizes_table, bounds_table, costs_table, units_table, bytes_table))
    yield from (shards_table(load, chance), keys_table(load), partitions_table(load))
    yield from (loss_table(load, chance), races_table(chance))
    yield Table("What goes in", ["what", "value", "unit", "from"], Known.all)


def shown(cell: Cell) -> str:
    """Text for a cell: three digits of a number, or all if it is whole."""
    if isinstance(cell, str):
        return cell
    return f"{cell if float(cell).is_integer() else float(f'{cell:.3g}'):,.15g}"


def markdown(load: Load) -> str:
    """The tables for people."""
    lines: list[str] = []
    for title, columns, rows in tables(load):
        is_text = [any(isinstance(cell, str) and cell != "-" for cell in column) for column in zip(*rows, strict=True)]
        lines += ["", f"### {title}", f"| {' | '.join(columns)} |"]
        lines.append(f"|{'|'.join('---' if text else '---:' for text in is_text)}|")
        lines += [f"| {' | '.join(map(shown, row))} |" for row in rows]
    return "\n".join(lines[1:])


def as_json(load: Load) -> str:
    """The load and the tables for programs; what has no end is null."""
    found = {}
    for title, columns, rows in tables(load):
        cells = [[None if cell == math.inf else cell for cell in row] for row in rows]
        found[title] = {"columns": columns, "rows": cells}
    return json.dumps({"load": load._asdict(), "tables": found}, indent=1)


OPTIONS: Final = {
    "entities": (1e9, 1e6, 1e13, "stored"),
    "ops": (1e5, 100, 1e8, "operations a second"),
    "read_share": (0.7, 0, 1, "part of them that are gets"),
    "links": (3.5, 0, 1000, "neighbours and files of an entity"),
    "document_bytes": (405, 100, 262_144, "canonical bytes of a document"),
}
"""For each member of Load what it is by default, at least and at most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables for what the options ask for."""
    parser = argparse.ArgumentParser(description="Sizing on paper: servers, bytes and money for a load.")
    parser.add_argument("--json", action="store_true", help="for programs")
    for name, (default, _, _, what) in OPTIONS.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=float, default=float(default), help=f"{what} ({default:g})")
    given = vars(parser.parse_args(arguments))
    for name, (_, low, high, _) in OPTIONS.items():
        if not low <= given[name] <= high:
            parser.error(f"--{name.replace('_', '-')} must be from {low:g} to {high:g}, not {given[name]:g}")
    load = Load(*(given[name] for name in OPTIONS))
    print(as_json(load) if given["json"] else markdown(load))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
