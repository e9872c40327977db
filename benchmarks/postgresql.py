"""The PostgreSQL store against the same work by bare psycopg and pgbench: ingest, verified gets, 70/30 mixed, finds.

The server is one of our own with fsync on, on this machine. Ingest takes turns with a plain table batch by batch, gets
and mixed work round by round. The mixed baseline is pgbench with 16 clients and the same two statements.
"""

from __future__ import annotations

import hashlib
import random
import re
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psycopg
from _entities import BATCH, batches, records
from _measure import Comparison, compare, options, report, report_at_most, report_rate
from find import PAGE, QUERIES

from stat7.files.memory import MemoryFiles
from stat7.query import Query
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.stores.postgresql.reader import ONE
from stat7.stores.postgresql.single import MAKING
from stat7.testing.servers import PostgreSQL

SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
THREADS = 16
SLOWEST_MS = 10.0
_TPS = re.compile(r"tps = ([0-9.]+)")

_SELECT = ONE.replace("$1", "%s")
_BARE = "CREATE TABLE public.t(address bytea PRIMARY KEY, document bytea)"
_STAGING = "CREATE TEMPORARY TABLE incoming(address bytea, document bytea) ON COMMIT DELETE ROWS"


def insert_bare(connection: psycopg.Connection[Any], batch: Sequence[Record]) -> None:
    """A batch by COPY to a temporary table and INSERT ON CONFLICT into the plainest table, in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy("COPY incoming FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["bytea", "bytea"])
            for record in batch:
                copy.write_row((bytes.fromhex(record.address), record.document))
        cursor.execute("INSERT INTO public.t SELECT * FROM incoming ORDER BY address ON CONFLICT DO NOTHING")


def ingest(store: PostgreSQLStore, bare: psycopg.Connection[Any], count: int) -> list[str]:
    """Fill both by turns and print the comparison; gives the addresses, shuffled."""
    bare.execute(_BARE)
    bare.execute(_STAGING)
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    addresses: list[str] = []
    for turn, (batch, moves) in enumerate(batches(count)):
        jobs: list[tuple[str, Callable[[], object]]] = [
            ("ours", lambda batch=batch, moves=moves: store.put(batch, moves)),  # type: ignore[misc]
            ("plain", lambda batch=batch: insert_bare(bare, batch)),  # type: ignore[misc]
        ]
        for name, job in jobs if turn % 2 else reversed(jobs):
            started = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - started)
        addresses += [record.address for record in batch]
    ours, plain = sum(times["ours"]), sum(times["plain"])
    last = statistics.mean(times["plain"][-10:]) / statistics.mean(times["ours"][-10:])
    note = f"{count:,} entities in batches of {BATCH:,}; ratio of the last ten batches {last:.2f}"
    comparison = Comparison(ours, plain, plain / ours)
    report_rate("PostgreSQL, durable ingest with indexes and heads", comparison, count, target=0.2, note=note)
    random.Random(1).shuffle(addresses)
    return addresses


def gets(store: PostgreSQLStore, conninfo: str, addresses: Sequence[str], threads: int, rounds: int, each: int) -> None:
    """Verified gets by some threads against the same SELECT on as many connections."""
    repository = Repository(store, MemoryFiles())
    parts = cycle([addresses[at : at + each] for at in range(0, len(addresses) - each + 1, each)])
    with ThreadPoolExecutor(threads) as pool:
        connections = [psycopg.connect(conninfo, autocommit=True) for _ in range(threads)]
        cursors = [connection.cursor(binary=True) for connection in connections]

        def ours(number: int, part: Sequence[str]) -> None:
            for address in part[number::threads]:
                repository.get_document(address)

        def plain(number: int, part: Sequence[str]) -> None:
            cursor = cursors[number]
            for address in part[number::threads]:
                cursor.execute(_SELECT, (bytes.fromhex(address),)).fetchone()

        def together(job: Callable[[int, Sequence[str]], None]) -> None:
            part = next(parts)
            list(pool.map(lambda number: job(number, part), range(threads)))

        result = compare(lambda: together(ours), lambda: together(plain), rounds=rounds, warm_up=2)
        for connection in connections:
            connection.close()
    note = f"median of {rounds} rounds of {each:,} random gets of {len(addresses):,}"
    report_rate(f"PostgreSQL, verified get, threads: {threads}", result, each, target=0.85, note=note)


def mixed(
    store: PostgreSQLStore, server: PostgreSQL, url: str, addresses: Sequence[str], seconds: int, rounds: int
) -> None:
    """70 % verified gets and 30 % durable puts with their heads by 16 threads, against pgbench by turns."""
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("CREATE TABLE public.known(n int PRIMARY KEY, address bytea)")
        with raw.cursor() as cursor, cursor.copy("COPY public.known FROM STDIN") as copy:
            for number, address in enumerate(addresses):
                copy.write_row((number, bytes.fromhex(address)))
        raw.execute("VACUUM ANALYZE public.known")
    fresh = records(10**9, seed=99, prefix="mixed")
    ours, plain = [], []
    for _ in range(rounds):
        ours.append(_ours_mixed(store, addresses, fresh, seconds))
        plain.append(_pgbench(server, url, len(addresses), seconds))
    ratio = statistics.median(a / b for a, b in zip(ours, plain, strict=True))
    note = f"{rounds} rounds of {seconds} s; pgbench -c {THREADS} -M prepared (it looks up which address to get)"
    report(
        "PostgreSQL, mixed 70/30 at 16 threads", "/s", ours=statistics.median(ours),
        baseline=statistics.median(plain), ratio=ratio, target=0.7, note=note,
    )  # fmt: skip


def _ours_mixed(store: PostgreSQLStore, addresses: Sequence[str], fresh: Iterator[Record], seconds: int) -> float:
    made = list(islice(fresh, 9_000 * (seconds + 1)))
    supply = iter(made)
    lock, done, stop = threading.Lock(), [0] * THREADS, threading.Event()

    def work(number: int) -> None:
        chance = random.Random(number)
        while not stop.is_set():
            if chance.random() < 0.3:
                with lock:
                    record = next(supply, None)
                if record is None:
                    raise SystemExit("mixed: too few records were made beforehand")
                store.put([record], [HeadMove(record.id, None, record.address)])
            else:
                address = chance.choice(addresses)
                document = store.get([address])[address]
                assert hashlib.sha256(document).hexdigest() == address  # type: ignore[arg-type]
            done[number] += 1

    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(work, number) for number in range(THREADS)]
        time.sleep(0.5)
        before, started = sum(done), time.perf_counter()
        time.sleep(seconds)
        rate = (sum(done) - before) / (time.perf_counter() - started)
        stop.set()
        for job in jobs:
            job.result()
    return rate


def _pgbench(server: PostgreSQL, url: str, known: int, seconds: int) -> float:
    """Transactions a second of pgbench with the store's own two statements."""
    address, document = "sha256(convert_to(:a::text, 'UTF8'))", "convert_to(repeat('keeper of the gate, ', 20), 'UTF8')"
    values = [
        address, "2", "7", "5000000", "-40000000", "51000000", "NULL", "'data'", "'character'",
        "'pgbench/' || :a::text", "ARRAY['town/' || :b::text, 'town/' || :c::text, 'town/x']", "NULL",
        "ARRAY[:b::int8 * 16, :c::int8 * 16, :b::int8 * :c::int8 * 16]", document,
    ]  # fmt: skip
    statement = MAKING.text
    for number in range(len(values), 0, -1):
        statement = statement.replace(f"${number}", values[number - 1])
    with tempfile.TemporaryDirectory() as folder:
        reading, writing = Path(folder, "get.sql"), Path(folder, "put.sql")
        lookup = "(SELECT address FROM public.known WHERE n = :n)"
        reading.write_text(f"\\set n random(0, {known - 1})\n{ONE.replace('$1', lookup)};\n", "utf-8")
        variables = "".join(
            f"\\set {name} random(1, {most})\n" for name, most in (("a", 10**15), ("b", 10**5), ("c", 10**5))
        )
        writing.write_text(variables + " ".join(statement.split()) + ";\n", "utf-8")
        program = server.program.path().with_name("pgbench")
        command = [str(program), "-n", "-M", "prepared", "-c", str(THREADS), "-j", "2", "-T", str(seconds),
                   "-f", f"{reading}@70", "-f", f"{writing}@30", url]  # fmt: skip
        environment = {"PGOPTIONS": "-c search_path=stat7 -c enable_seqscan=off -c enable_hashjoin=off -c jit=off"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = _TPS.search(done.stdout)
    if found is None or done.returncode:
        raise SystemExit(f"pgbench failed: {done.stderr[-500:]}")
    return float(found[1])


def finds(store: PostgreSQLStore, count: int, rounds: int) -> None:
    """The first page of each typical query, and the slowest that `explain` calls indexed."""
    slowest = (0.0, "none")
    for name, facts in QUERIES.items():
        query = Query(**facts)
        plan, times = store.explain(query), []
        for _ in range(rounds):
            started = time.perf_counter()
            page = store.find(query, None, PAGE)
            times.append((time.perf_counter() - started) * 1e3)
        ours = statistics.median(times)
        title, note = f"PostgreSQL, find, {name}", f"by {plan.method}, {len(page.items)} found"
        if plan.indexed:
            report_at_most(title, "ms", ours=ours, limit=SLOWEST_MS, note=note)
            slowest = max(slowest, (ours, name))
        else:
            note = f"for information: explain calls it not indexed; {note}"
            report(title, "ms", ours=ours, baseline=None, ratio=SLOWEST_MS / ours, target=0.0, note=note)
    note = f"{slowest[1]}; {count:,} entities, median of {rounds}"
    name = "PostgreSQL, find, slowest of what explain calls indexed"
    report_at_most(name, "ms", ours=slowest[0], limit=SLOWEST_MS, note=note)


def main() -> None:
    """Start a server, fill it, and print every comparison."""
    quick = options(__doc__).quick
    count, rounds, seconds = (30_000, 7, 3) if quick else (1_000_000, 21, 10)
    with PostgreSQL(SETTINGS) as server:
        url = server.create_database()
        settings = Settings(url)
        with PostgreSQLStore(settings) as store, psycopg.connect(url, autocommit=True) as bare:
            addresses = ingest(store, bare, count)
            bare.execute("VACUUM (ANALYZE) stat7.entities")
            finds(store, count, rounds)
            for threads in (1, THREADS):
                gets(store, settings.conninfo(), addresses[:100_000], threads, rounds, 2_000)
            mixed(store, server, url, addresses[:100_000], seconds, 3)


if __name__ == "__main__":
    main()
