"""The command line, as a program of its own, against servers that it can't use: one line that says what to do, the exit
code that README.md promises, and never a traceback or a password.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from stat7.cli.app import BAD_INPUT, OK, UNAVAILABLE, USAGE
from stat7.testing.samples import sample
from stat7.testing.servers import Bucket, FaultProxy, PostgreSQL, Redis, Server
from stat7.testing.servers.base import free_port

SECRET = "hunter2"

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `stat7 …` in an empty folder, with nothing named by the environment but what is given by keyword."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("STAT7_", "PG", "AWS_"))}
    outside |= {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"}

    def run_one(*words: str, stdin: str = "", **environment: str) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "stat7", *words],
            cwd=tmp_path,
            env=outside | environment,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run_one


def refused(done: Done, code: int, *told: str) -> None:
    """The command failed with this code and one line that holds these words, and shows no secret."""
    assert (done.returncode, done.stdout) == (code, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("stat7: ")
    for words in told:
        assert words in line
    assert SECRET not in line
    assert "Traceback" not in line


def doctors(done: Done) -> dict[str, tuple[str, str]]:
    """Status and text of each check of `doctor --json`; of checks of one name the first that isn't well."""
    assert SECRET not in done.stdout + done.stderr
    checks: dict[str, tuple[str, str]] = {}
    for row in map(json.loads, done.stdout.splitlines()):
        if checks.get(row["name"], ("ok", ""))[0] == "ok":
            checks[row["name"]] = (row["status"], row["text"])
    return checks


def on(url: str, files: str = "memory:") -> tuple[str, ...]:
    """The options that name a store and its files."""
    return "--store", url, "--files", files


def with_login(url: str, user: str, place: str = "") -> str:
    """The URL with this user, the secret as password, and another HOST:PORT if one is given."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{SECRET}@{place or f'{parts.hostname}:{parts.port}'}").geturl()


# PostgreSQL.


def test_a_wrong_password_and_a_wrong_user(run: Run, postgres_url: str) -> None:
    for user in ("stat7", "nobody-known"):
        told = ("refused the login", "check user and password in the URL, PGPASSWORD or ~/.pgpass")
        for command in (("stats",), ("init",)):
            refused(run(*command, *on(with_login(postgres_url, user))), USAGE, *told)


@pytest.mark.parametrize("password", ["hunter2/x", "hunter2@x", "hunter2?x", "hunter2#x", "hunter2:x", "hunter2%zz"])
def test_a_password_that_breaks_the_url_is_not_shown(run: Run, postgres_url: str, password: str) -> None:
    refused(run("stats", *on(f"postgresql://stat7:{password}@{postgres_url.rpartition('@')[2]}")), USAGE)


def test_a_host_that_is_unknown_and_a_port_on_which_nobody_listens(run: Run, postgres_url: str) -> None:
    told = "can't connect to PostgreSQL at {}/", "check host and port, and that it runs"
    for place in (f"nowhere.invalid:{urlsplit(postgres_url).port}", f"127.0.0.1:{free_port()}"):
        lost = with_login(postgres_url, "stat7", place)
        refused(run("stats", *on(lost)), UNAVAILABLE, told[0].format(place), told[1])
        refused(run("get", "0" * 64, STAT7_STORE=lost, STAT7_FILES="memory:"), UNAVAILABLE, told[1])


def test_a_server_that_accepts_and_says_nothing(
    run: Run, postgres_server: PostgreSQL, postgres_url: str, fault_proxy: Callable[[Server], FaultProxy]
) -> None:
    proxy = fault_proxy(postgres_server)
    proxy.freeze()
    lost = with_login(postgres_url, "stat7", f"127.0.0.1:{proxy.port}")
    refused(run("stats", *on(f"{lost}?connect_timeout=2")), UNAVAILABLE, "can't connect", "check host and port")


def test_a_database_that_is_not_there(run: Run, postgres_url: str) -> None:
    refused(run("init", *on(f"{postgres_url}x")), USAGE, "no such database", "create it (createdb)")


@pytest.mark.parametrize("table", ["heads", "entities", "notices", "marks", "about"])
def test_a_table_that_is_missing(run: Run, postgres_url: str, table: str) -> None:
    assert run("init", *on(postgres_url)).returncode == OK
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute(f"DROP TABLE stat7.{table}".encode())
    document = sample().document.decode()
    commands: dict[str, list[tuple[str, ...]]] = {
        "heads": [("head", "x"), ("put", "-"), ("stats",), ("digest",)],
        "entities": [("get", "0" * 64), ("put", "-"), ("find",), ("doctor",)],
        "notices": [("withdraw", "0" * 64, "--case", "1", "--reason", "r"), ("digest",)],
        "marks": [("doctor",)],
        "about": [("get", "0" * 64), ("put", "-")],
    }
    for command in commands[table]:
        done = run(*command, *on(postgres_url), stdin=document)
        refused(done, USAGE, f"lacks the table {table}", "restore it from a backup")


def test_a_schema_that_is_not_there_is_not_made_by_who_only_reads(run: Run, postgres_url: str) -> None:
    typo = f"{postgres_url}?schema=typo"
    assert run("init", *on(postgres_url)).returncode == OK
    told = "the schema typo", "make one with `stat7 init`"
    pair, good = f"{typo},memory:", f"{postgres_url},memory:"
    for command in (
        ("stats", *on(typo)), ("get", "0" * 64, *on(typo)), ("find", *on(typo)), ("head", "x", *on(typo)),
        ("history", "x", *on(typo)), ("neighbours", "x", *on(typo)), ("explain", *on(typo)), ("digest", *on(typo)),
        ("verify", *on(typo)), ("gc", *on(typo)), ("doctor", *on(typo)), ("file", "cat", "0" * 64, *on(typo)),
        ("export", "-o", "out", *on(typo)), ("withdraw", "0" * 64, "--case", "1", "--reason", "r", *on(typo)),
        ("copy", pair, good), ("digest", "--diff", pair, good), ("digest", "--diff", good, pair),
        ("verify", *on(postgres_url), "--repair-from", pair),
    ):  # fmt: skip
        refused(run(*command), USAGE, *told)
    refused(run("stats", STAT7_STORE=typo, STAT7_FILES="memory:"), USAGE, *told, "(store from STAT7_STORE)")
    checks = doctors(run("doctor", "--json", *on(postgres_url), "--replica", pair))
    assert checks["replica"][0] == "fail"
    assert "the schema typo" in checks["replica"][1]
    with psycopg.connect(postgres_url) as raw:
        rows = raw.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'typo%'").fetchall()
    assert rows == []


def test_who_writes_makes_what_is_not_there(run: Run, postgres_url: str) -> None:
    document = sample().document.decode()
    fresh = [f"{postgres_url}?schema=s{number}" for number in range(3)]
    assert run("put", "-", *on(fresh[0]), stdin=document).returncode == OK
    assert run("import", "entities", "-", *on(fresh[1]), stdin=document).returncode == OK
    assert run("copy", f"{fresh[0]},memory:", f"{fresh[2]},memory:").returncode == OK
    assert run("digest", "--diff", *(f"{url},memory:" for url in (fresh[0], fresh[2]))).returncode == OK


# Files.


def environment_of(buckets: list[Bucket]) -> dict[str, str]:
    """All their credentials."""
    return {name: value for bucket in buckets for name, value in bucket.environment.items()}


def test_a_bucket_that_is_not_there(
    run: Run, s3_bucket: Bucket, gcs_bucket: Bucket, azure_bucket: Bucket, tmp_path: Path
) -> None:
    buckets = [s3_bucket, gcs_bucket, azure_bucket]
    assert run("init", "--store", "sqlite:lib.db", "--files", "memory:").returncode == OK
    (tmp_path / "file").write_bytes(b"bytes")
    for bucket in buckets:
        missing = f"{bucket.url}-missing"
        told = missing, "no such bucket", "create it, or correct the URL"
        for command in (("file", "put", "file"), ("file", "cat", "0" * 64), ("stats",), ("init", "--force")):
            options = on("sqlite:lib.db", missing)
            refused(run(*command, *options, **environment_of(buckets)), USAGE, *told)
        checks = doctors(run("doctor", "--json", *on("sqlite:lib.db", missing), **environment_of(buckets)))
        assert checks["files"][0] == "fail"
        assert "no such bucket" in checks["files"][1]


def test_wrong_credentials_of_a_bucket(run: Run, s3_bucket: Bucket, tmp_path: Path) -> None:
    assert run("init", "--store", "sqlite:lib.db", "--files", "memory:").returncode == OK
    (tmp_path / "file").write_bytes(b"bytes")
    wrong = {**s3_bucket.environment, "AWS_SECRET_ACCESS_KEY": SECRET}
    given = f"{s3_bucket.url}?access_key_id={s3_bucket.environment['AWS_ACCESS_KEY_ID']}&secret_access_key={SECRET}"
    for command in (("file", "put", "file"), ("file", "cat", "0" * 64), ("stats",)):
        told = s3_bucket.url, "refuses these credentials", "set credentials, as docs/backends.md says"
        refused(run(*command, *on("sqlite:lib.db", s3_bucket.url), **wrong), USAGE, *told)
        refused(run(*command, *on("sqlite:lib.db", given), **s3_bucket.environment), USAGE, *told)


def test_a_server_of_files_that_is_away(run: Run, s3_bucket: Bucket) -> None:
    assert run("init", "--store", "sqlite:lib.db", "--files", "memory:").returncode == OK
    for endpoint in (f"http://127.0.0.1:{free_port()}", "http://nowhere.invalid"):
        away = f"{s3_bucket.url}?endpoint={endpoint}&retry=1"
        done = run("stats", *on("sqlite:lib.db", away), **s3_bucket.environment)
        refused(done, UNAVAILABLE, "can't be reached", "check the network and the server")


# Redis.


def test_a_cache_that_is_away_or_refuses_is_done_without_and_doctor_says_it(
    run: Run, postgres_url: str, start_server: Callable[[Redis], Redis]
) -> None:
    server = start_server(Redis(password="another"))
    record = sample()
    for place, told in (
        (f"127.0.0.1:{free_port()}", "does not answer"),
        ("nowhere.invalid:6379", "does not answer"),
        (f"127.0.0.1:{server.port}", "refuses the login"),
    ):
        options = *on(postgres_url), "--cache", f"redis://:{SECRET}@{place}/0"
        done = run("put", "-", *options, stdin=record.document.decode())
        assert (done.returncode, done.stdout.strip(), done.stderr) == (OK, record.address, "")
        done = run("get", record.address, "--raw", *options)
        assert (done.returncode, done.stdout, done.stderr) == (OK, record.document.decode(), "")
        done = run("doctor", "--json", *options)
        assert done.returncode == BAD_INPUT
        checks = doctors(done)
        assert checks["cache"][0] == "fail"
        assert told in checks["cache"][1]
    done = run("withdraw", record.address, "--case", "1", "--reason", "r", *options)
    assert (done.returncode, done.stderr) == (OK, "")
