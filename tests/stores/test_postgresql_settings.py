"""What a URL may say about a PostgreSQL store, what is refused, and that no secret is shown."""

from __future__ import annotations

import sys

import pytest
from psycopg.conninfo import conninfo_to_dict

from stat7.errors import ConfigError
from stat7.registry import configure_store, open_store
from stat7.stores.postgresql import Settings

URL = "postgresql://ada:hunter2@db.example:5433/library"


def test_the_url_and_the_settings_reach_the_driver() -> None:
    settings = Settings(URL, schema="tenant", timeout=1.5, connect_timeout=3, libpq={"sslmode": "require"})
    given = conninfo_to_dict(settings.conninfo())
    wanted = {"user": "ada", "password": "hunter2", "host": "db.example", "port": "5433", "dbname": "library",
              "sslmode": "require", "connect_timeout": "3", "application_name": "stat7", "keepalives": "1"}  # fmt: skip
    assert {name: str(given[name]) for name in wanted} == wanted
    assert "-c statement_timeout=1500" in str(given["options"])
    assert "-c search_path=tenant" in str(given["options"])
    assert settings.where() == "db.example:5433/library"
    assert settings.password() == "hunter2"


def test_no_secret_is_shown() -> None:
    for shown in (repr(Settings(URL)), repr(configure_store(URL)), str(configure_store(URL))):
        assert "hunter2" not in shown
        assert "ada" not in shown


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_url_opens_a_store_with_its_options(postgres_url: str, scheme: str) -> None:
    rest = postgres_url.partition(":")[2]
    url = f"{scheme}:{rest}?schema=tenant&pool=3&timeout=9&application_name=library&sslmode=prefer"
    with open_store(url) as store:  # type: ignore[attr-defined]
        assert store.capabilities.name == "postgresql"
        assert (store.settings.schema, store.settings.pool, store.settings.timeout) == ("tenant", 3, 9)
        rows = store._on(lambda raw: raw.execute("SHOW application_name").fetchall())
    assert rows == [("library",)]


@pytest.mark.parametrize(
    "option",
    [
        "schema=", "schema=A", "schema=a-b", "schema=pg_temp", f"schema={'x' * 64}", "pool=many", "pool=0", "pool=1.5",
        "pool=5000", "timeout=0", "timeout=-1", "timeout=nan", "connect_timeout=1", "connect_timeout=100000000",
        "retries=1.5", "password=hunter2", "options=-cfsync=off",
    ],
)  # fmt: skip
def test_unknown_and_unreadable_options_are_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=option.partition("=")[0]) as caught:
        configure_store(f"{URL}?{option}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("port", ["abc", "99999", "0", "5432,b:x", "-1", "４"])
def test_a_port_that_is_none_is_told_and_not_shown(port: str) -> None:
    with pytest.raises(ConfigError, match="the port in the PostgreSQL URL is not a number from 1 to 65535") as caught:
        open_store(f"postgresql://ada:hunter2@db.example:{port}/library")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="port") as caught:
        open_store("postgresql://ada:hunter2/library")
    assert "hunter2" not in str(caught.value)


def test_several_hosts_may_have_their_ports() -> None:
    for url in ("postgresql://a:5433,b:1/library", "postgresql://a,b:5433/library", "postgresql://a/library"):
        assert conninfo_to_dict(Settings(url).conninfo())["dbname"] == "library"


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("stat7.stores.postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r'pip install "stat7\[postgres\]"') as caught:
        open_store(URL)
    assert "hunter2" not in str(caught.value)
