"""PostgreSQL for tests: a cluster of its own in a temporary folder, with a password, reached by TCP alone."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping

from stat7.testing.servers import guard
from stat7.testing.servers.base import HOST, Server, ServerFailed, unprivileged
from stat7.testing.servers.programs import POSTGRES

USER = "stat7"
"""The one user of the cluster, its superuser."""
_DEFAULTS = {"shared_buffers": "32MB", "max_connections": "100", "log_min_messages": "warning"}

_END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public;
    EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
END $$
"""


class PostgreSQL(Server):
    """A PostgreSQL server with fsync on, as any installation has it.

    `options` are settings of postgresql.conf, {"fsync": "off"} say. The user's password is random and asked for
    (SCRAM). When root runs the tests, the server runs as the user postgres or nobody. Databases are made by the
    driver psycopg (extra `postgres`). `pause` freezes only the process that accepts connections; to freeze those
    that are open, put a FaultProxy before the server.
    """

    program = POSTGRES
    stop_signal = signal.SIGINT
    """Its "fast" shutdown: SIGTERM would wait for all clients to leave."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.options = {**_DEFAULTS, **(options or {})}
        """What each start sets; a change holds from the next start."""
        self.password = secrets.token_hex(16)
        """The password of USER."""

    def url(self, database: str = "postgres") -> str:
        """The connection URL of a database, password included."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    def create_database(self) -> str:
        """Make an empty database of a random name; its URL."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database that `create_database` made, and end the connections to it."""
        name = url.rpartition("/")[2]
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def clean_database(self, url: str) -> None:
        """Empty a database that `create_database` made, and end the connections to it: quicker than a new one."""
        self._run(url, _END_OTHERS)
        self._run(url, _EMPTY)

    def execute(self, statement: str) -> None:
        """Run one statement as superuser in the database `postgres`, outside any transaction."""
        self._run(self.url(), statement)

    def _run(self, url: str, statement: str) -> None:
        import psycopg

        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            # The driver takes only literals for the text of a statement; bytes say that the caller knows better.
            connection.execute(statement.encode())

    def _user(self) -> str | None:
        return unprivileged()

    def _prepare(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password, "utf-8")
        user = self._user()
        if user is not None:
            for path in (self.folder, secret):
                shutil.chown(path, user)
        initdb = self.program.path().with_name("initdb.exe" if os.name == "nt" else "initdb")
        # Not synced: it is what the tests write that has to be durable, not the empty cluster.
        options = ["--no-sync", "--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}"]
        command = [str(initdb), "-D", str(self.folder / "data"), "--encoding=UTF8", "--locale=C", *options]
        as_user = {} if user is None else guard.identity(user)
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, errors="replace", check=False, **as_user
        )
        if done.returncode:
            raise ServerFailed(f"initdb failed:\n{done.stdout}{done.stderr}")
        secret.unlink()

    def _command(self) -> list[str]:
        fixed = {"listen_addresses": HOST, "port": str(self.port), "unix_socket_directories": ""}
        settings = [f"--{name}={value}" for name, value in {**self.options, **fixed}.items()]
        return [str(self.program.path()), "-D", str(self.folder / "data"), *settings]

    def _answers(self) -> bool:
        # The server's own word, as pg_ctl reads it: first line its process id, eighth its state.
        lines = (self.folder / "data" / "postmaster.pid").read_text("utf-8").splitlines()
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"
