"""What a URL says about a Cassandra store, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stat7.errors import ConfigError
from stat7.registry import configure_store, redact, split_pair
from stat7.registry.cassandra import CassandraConfig
from stat7.stores.cassandra import Settings

SECRET = "hunter2"


def _config(url: str) -> CassandraConfig:
    config = configure_store(url)
    assert isinstance(config, CassandraConfig)
    return config


def test_hosts_port_keyspace_and_login() -> None:
    config = _config(f"cassandra://ada:p%40{SECRET}%2F@one.example,10.0.0.2:9043/library")
    assert (config.hosts, config.port, config.keyspace) == (("one.example", "10.0.0.2"), 9043, "library")
    assert (config.user, config.password) == ("ada", f"p@{SECRET}/")
    assert SECRET not in repr(config)


def test_what_is_left_out_has_its_default() -> None:
    config = _config("cassandra://node")
    assert (config.hosts, config.port, config.keyspace, config.user) == (("node",), 9042, "stat7", None)
    assert config.retries == 4
    assert _config("cassandra://[::1]:9043/x?retries=0").hosts == ("::1",)


def test_options_are_read() -> None:
    options = _config(
        "cassandra://a/b?replication=dc1:3,dc2:2&consistency=local_quorum&local_dc=dc1&timeout=3&tls=yes&ca=/x.pem"
    ).options
    assert options["replication"] == {"dc1": 3, "dc2": 2}
    assert (options["consistency"], options["local_dc"], options["timeout"]) == ("local_quorum", "dc1", 3.0)
    assert options["tls"] is True
    assert _config("cassandra://a?replication=2").options["replication"] == {"replication_factor": 2}


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("cassandra:node/x", "hosts"),
        ("cassandra://", "hosts"),
        ("cassandra://a,,b/x", "hosts"),
        ("cassandra://a:1,b:2/x", "one port"),
        (f"cassandra://ada:pa:9/{SECRET}@a b/x", "can't be"),
        ("cassandra://a:99999/x", "65535"),
        ("cassandra://a/Upper", "keyspace"),
        ("cassandra://a/x; DROP", "keyspace"),
        ("cassandra://a/x?replication=0", "number from 1 to 9"),
        ("cassandra://a/x?replication=dc1:3,", "dc1:3,dc2:3"),
        ("cassandra://a/x?consistency=one", "quorum"),
        ("cassandra://a/x?ca=/x.pem", "tls=yes"),
        ("cassandra://a/x?tls=yes&cert=/x.pem", "go together"),
        ("cassandra://a/x?tls=maybe", "yes or no"),
        ("cassandra://a/x?unknown=1", "unknown option"),
    ],
)
def test_what_can_not_be_used_is_refused_without_telling_a_password(url: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part) as caught:
        configure_store(url)
    assert SECRET not in str(caught.value) + redact(url)


def test_several_hosts_are_one_store_of_a_pair() -> None:
    assert split_pair("cassandra://a,b:9042/x,file:/f") == ("cassandra://a,b:9042/x", "file:/f")
    assert split_pair("cassandra://a,b:9042,s3://bucket") == ("cassandra://a,b:9042", "s3://bucket")
    assert split_pair("cassandra://a:1,b:1?timeout=3,file:2020/x") == ("cassandra://a:1,b:1?timeout=3", "file:2020/x")


def test_a_login_from_the_environment_is_used_where_the_url_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Settings] = []
    monkeypatch.setattr("stat7.stores.cassandra.CassandraStore", lambda settings, make: opened.append(settings))
    monkeypatch.setenv("CASSANDRA_USERNAME", "ada")
    monkeypatch.setenv("CASSANDRA_PASSWORD", SECRET)
    configure_store("cassandra://node").open(make=True)
    configure_store("cassandra://bob:other@node").open(make=True)
    assert [(each.user, each.password) for each in opened] == [("ada", SECRET), ("bob", "other")]
    assert SECRET not in repr(opened[0])
    assert opened[0].where() == "node:9042/stat7"


def test_files_of_tls_that_can_not_be_read_are_a_config_error(tmp_path: Path) -> None:
    assert Settings(("a",)).tls_context() is None
    assert Settings(("a",), tls=True).tls_context() is not None
    (tmp_path / "empty.pem").touch()
    for name in ("missing.pem", "empty.pem"):
        path = str(tmp_path / name)
        with pytest.raises(ConfigError, match="ca="):
            Settings(("a",), tls=True, ca=path, cert=path, key=path).tls_context()
