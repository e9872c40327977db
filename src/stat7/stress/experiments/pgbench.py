"""PostgreSQL's own pgbench as a yardstick: the statements of the store, sent by a program in C that looks at nothing.

pgbench can't hold addresses in its variables, so it finds each by a number in a small table, `stat7_stress_known`: one
more lookup, in memory, for each statement.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stat7.stores.postgresql.reader import MANY, ONE
from stat7.stores.postgresql.single import MAKING
from stat7.stress.workers import WorkerFailed
from stat7.testing.servers import PROGRAMS

KNOWN: Final = "stat7_stress_known"
HOW_TO_INSTALL: Final = (
    "pgbench is not on this machine: `make servers SERVERS=postgres` in a checkout of stat7, or install PostgreSQL's "
    "programs (Debian: postgresql-contrib) with your system's package manager"
)
_FAILED: Final = re.compile(r"number of failed transactions: ([0-9]+)")
_TIMEOUT: Final = 60.0
_MOST: Final = 10**15
_LINKS: Final = 10**5
_MICROS: Final = 1_000_000
_LEAST: Final = 10
"""Transactions of a client."""


def find_pgbench() -> Path | None:
    """The program: that of the PATH, else the one beside the server's; None if there is none."""
    found = shutil.which("pgbench")
    server = PROGRAMS["postgres"].find()
    beside = None if server is None else server.with_name("pgbench.exe" if os.name == "nt" else "pgbench")
    candidates = [None if found is None else Path(found), beside]
    return next((path for path in candidates if path is not None and path.is_file()), None)


class Pgbench:
    """Runs scripts of statements on the tables that `conninfo` leads to; `addresses` are those it looks up."""

    def __init__(self, program: Path, conninfo: str, addresses: Sequence[str], folder: Path) -> None:
        parts = conninfo_to_dict(conninfo)
        password = parts.pop("password", None)
        # Not on the command line, which all users of the machine can see.
        self._environment = {**os.environ, **({} if password is None else {"PGPASSWORD": str(password)})}
        self._program = program
        self._target = make_conninfo("", **{**parts, "application_name": "stat7 stress pgbench"})
        self._known = len(addresses)
        self._folder = folder
        self._pace: dict[str, float] = {}
        _make_table(conninfo, addresses)

    def gets(self) -> list[str]:
        """A script of one get."""
        return self._written("get", f"\\set n random(0, {self._known - 1})\n{_looking_up_one()};\n")

    def batches(self, size: int) -> list[str]:
        """A script of one get of `size` addresses."""
        text = f"\\set n random(0, {self._known - size})\n{_looking_up_many(size)};\n"
        return self._written(f"get-{size}", text)

    def mixed(self, document_bytes: int) -> list[str]:
        """Of ten transactions seven are a get, three a put of a new document of that size with its head."""
        names = "".join(f"\\set {name} random(1, {_MOST if name == 'a' else _LINKS})\n" for name in "abc")
        putting = self._written("put", f"{names}{_putting(document_bytes)};\n")[1]
        return ["-f", f"{self.gets()[1]}@7", "-f", f"{putting}@3"]

    def rate(self, scripts: Sequence[str], clients: int, seconds: float) -> float:
        """Transactions a second of so many clients, for about so many seconds, once they are warm.

        A new connection of a server fills its caches first, which takes longer than a short turn: pgbench runs for
        twice as long, and what it logs of the first half isn't counted. Raises WorkerFailed.
        """
        key = f"{clients} {scripts}"
        # Whole seconds are all that it can count, transactions it can: how many, the first run tells.
        if key not in self._pace:
            self._pace[key] = self._run([*scripts, "-T", "1"], clients)
        each = max(_LEAST, round(2 * self._pace[key] * seconds / clients))
        self._pace[key] = rate = self._run([*scripts, "-t", str(each)], clients)
        return rate

    def _run(self, arguments: Sequence[str], clients: int) -> float:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            logging = ["-l", f"--log-prefix={Path(folder, 'log')}"]
            jobs = str(min(clients, 2))
            options = ["-n", "-M", "prepared", "-c", str(clients), "-j", jobs, *logging, *arguments]
            self._call([str(self._program), *options, self._target])
            return warm_rate(line for file in Path(folder).iterdir() for line in file.read_text("ascii").splitlines())

    def _call(self, command: Sequence[str]) -> None:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=self._environment, check=False, timeout=_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            raise WorkerFailed(f"pgbench was not done after {_TIMEOUT:g} s") from None
        failed = _FAILED.search(done.stdout)
        if done.returncode or (failed is not None and failed[1] != "0"):
            raise WorkerFailed(f"pgbench failed: {' '.join(done.stderr.split())[-300:]}")

    def _written(self, name: str, text: str) -> list[str]:
        path = self._folder / f"{name}.sql"
        path.write_text(text, "utf-8")
        return ["-f", str(path)]


def warm_rate(log: Iterable[str]) -> float:
    """Transactions a second by pgbench's log of them, from the middle of the time until the first client was done."""
    ends: dict[str, list[int]] = {}
    begun: int | None = None
    for line in log:
        client, _, took, _, seconds, micros, *_ = line.split()
        end = int(seconds) * _MICROS + int(micros)
        ends.setdefault(client, []).append(end)
        begun = min(end - int(took), end if begun is None else begun)
    if begun is None:
        raise WorkerFailed("pgbench logged no transaction")
    until = min(max(each) for each in ends.values())
    middle = begun + (until - begun) // 2
    count = sum(middle < end <= until for each in ends.values() for end in each)
    return count / (until - middle) * _MICROS if until > middle else 0.0


def _make_table(conninfo: str, addresses: Sequence[str]) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {KNOWN}(n int4 PRIMARY KEY, address bytea)".encode())
        with connection.cursor() as cursor, cursor.copy(f"COPY {KNOWN} FROM STDIN".encode()) as copy:
            for number, address in enumerate(addresses):
                copy.write_row((number, bytes.fromhex(address)))
        connection.execute(f"VACUUM (ANALYZE) {KNOWN}".encode())


def _looking_up_one() -> str:
    return ONE.replace("$1", f"(SELECT address FROM {KNOWN} WHERE n = :n)")


def _looking_up_many(size: int) -> str:
    chosen = f"ARRAY(SELECT address FROM {KNOWN} WHERE n BETWEEN :n AND :n + {size - 1})"
    return MANY.replace("%s", chosen)


def _putting(document_bytes: int) -> str:
    """The store's statement of a single put, its parameters replaced by values as large as those of an entity."""
    values = [
        "sha256(int8send(:a::int8))", "3", "2", ":b::int4 * 1000", ":c::int4 * -1000", "12500000", "NULL",
        "'narrative'", "'character'", "'pgbench/' || :a::text",
        "ARRAY['place/' || :b::text, 'place/' || :c::text, 'place/1', 'place/2']", "NULL",
        "ARRAY[:b::int8 << 20, :c::int8 << 20, :b::int8 << 32, :c::int8 << 32]",
        f"convert_to(rpad('', {document_bytes}, 'the keeper of the lamp '), 'UTF8')",
    ]  # fmt: skip
    statement = " ".join(MAKING.text.split())
    for number in range(len(values), 0, -1):
        statement = statement.replace(f"${number}", values[number - 1])
    return statement
