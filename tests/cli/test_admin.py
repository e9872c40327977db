"""stat7 admin shard, and the store `shards:FILE` that it makes: from nothing to more shards."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from stat7.errors import ConfigError
from stat7.registry import anchored, configure_store, files_beside, local_path, open_store
from stat7.registry.shards import ShardsConfig, ShardURL, read_shards, shards_text
from stat7.stores.sharded.shard_map import ShardMap
from tests.cli.conftest import Run, as_json
from tests.stores.sharding import shard_at

EXAMPLE = "postgresql://ada:s3cret@db.example/library"


def urls(url: str, name: str, count: int) -> list[str]:
    """URLs of schemas in one database."""
    return [f"{url}?schema={name}_{number}" for number in range(count)]


def test_shards_are_made_used_widened_by_a_copy_and_compared(run: Run, postgres_url: str, tmp_path: Path) -> None:
    made = run("admin", "shard", "--map", "old.toml", *urls(postgres_url, "old", 3))
    assert made.code == 0, made.err
    assert made.lines[1].startswith("shard 1: 5555555555555555… to before aaaaaaaaaaaaaaaa… at postgresql://***@")
    password = postgres_url.split(":")[2].partition("@")[0]
    assert password not in made.text
    store = ("--store", "shards:old.toml", "--files", "file:kept")
    documents = b"\n".join(as_json(id=f"hero/{n}", state={"n": n}) for n in range(120))
    (tmp_path / "all.ndjson").write_bytes(documents)
    assert run("import", "entities", *store, "all.ndjson").code == 0
    found = run("find", *store, "--realm", "narrative", "--limit", "500", "--addresses")
    assert len(found.lines) == 120
    address = run("head", *store, "hero/7").lines[0]
    assert run("withdraw", *store, address, "--case", "1", "--reason", "asked", "--yes").code == 0
    explained = run("explain", *store, "--realm", "narrative")
    assert "of 3 shards" in explained.text
    doctor = run("doctor", *store)
    assert doctor.code == 0, doctor.text
    for name in ("shard map: 3 shards", "shard 0: ", "shard 1: ", "shard 2: "):
        assert name in doctor.text
    assert password not in doctor.text
    assert "shards 2 (postgresql" in run("stats", *store).text
    digest = run("digest", *store).out

    assert run("admin", "shard", "--map", "new.toml", *urls(postgres_url, "new", 5)).code == 0
    copied = run("copy", "--verify", "shards:old.toml,file:kept", "shards:new.toml,file:kept-too")
    assert copied.code == 0, copied.err
    wider = ("--store", "shards:new.toml", "--files", "file:kept-too")
    assert run("digest", *wider).out == digest
    assert sorted(run("find", *wider, "--limit", "500", "--addresses").lines) == sorted(set(found.lines) - {address})
    assert run("digest", "--diff", "shards:old.toml,file:kept", "shards:new.toml,file:kept-too").code == 0
    assert run("verify", *wider).code == 0
    assert run("get", *wider, address).code == 3


def test_init_takes_a_shard_map_and_finds_it_from_below(
    run: Run, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("admin", "shard", "--map", "shards.toml", *urls(postgres_url, "s", 2)).code == 0
    done = run("init", "--store", "shards:shards.toml", "--files", "file:kept")
    assert done.code == 0, done.err
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert run("put", "-", stdin=as_json()).code == 0
    assert run("stats").code == 0


def test_the_map_is_for_its_owner_alone_if_it_holds_a_password(run: Run, postgres_url: str, tmp_path: Path) -> None:
    given = urls(postgres_url, "s", 2)
    assert run("admin", "shard", "--map", "shards.toml", *given).code == 0
    path = tmp_path / "shards.toml"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each["url"] for each in tomllib.loads(path.read_text("utf-8"))["shard"]] == given


def test_schemas_that_hold_data_are_refused_and_left_alone(run: Run, postgres_url: str, tmp_path: Path) -> None:
    places = urls(postgres_url, "s", 3)
    assert run("put", "--store", places[1], "--files", "file:kept", "-", stdin=as_json()).code == 0
    refused = run("admin", "shard", "--map", "shards.toml", *places)
    assert refused.code == 2
    assert "holds data already" in refused.err
    assert not (tmp_path / "shards.toml").exists()
    assert run("stats", "--store", places[1], "--files", "file:kept").code == 0
    with open_store(places[0]) as store:  # type: ignore[attr-defined]
        assert store.marks() == {}
        assert not store.is_restricted()


def test_a_client_with_an_outdated_map_is_refused_before_it_writes(run: Run, postgres_url: str, tmp_path: Path) -> None:
    places = urls(postgres_url, "s", 2)
    assert run("admin", "shard", "--map", "old.toml", *places).code == 0
    assert run("admin", "shard", "--map", "new.toml", *places).code == 0
    refused = run("put", "--store", "shards:old.toml", "--files", "file:kept", "-", stdin=as_json())
    assert refused.code == 2
    assert "wrong or outdated shard map old.toml" in refused.err
    assert "nothing was written" in refused.err
    text = (tmp_path / "new.toml").read_text("utf-8")
    (tmp_path / "mixed.toml").write_text(
        text.replace("s_0", "s_x").replace("s_1", "s_0").replace("s_x", "s_1"), "utf-8"
    )
    mixed = run("put", "--store", "shards:mixed.toml", "--files", "file:kept", "-", stdin=as_json())
    assert mixed.code == 2
    assert "mixed up" in mixed.err
    with psycopg.connect(postgres_url) as raw:
        counted = raw.execute("SELECT (SELECT count(*) FROM s_0.entities) + (SELECT count(*) FROM s_1.entities)")
        assert counted.fetchone() == (0,)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--map", "m.toml", EXAMPLE], 2, "name 2 to 256 servers"),
        ([EXAMPLE, EXAMPLE], 2, "--map"),
        (["--map", "m.toml", "sqlite:a.db", "sqlite:b.db"], 2, "only PostgreSQL servers can be shards"),
        (["--map", "m.toml", f"{EXAMPLE}?colour=red", EXAMPLE], 2, "unknown option"),
        (["--map", ".", EXAMPLE, EXAMPLE], 2, "is a folder"),
    ],
)
def test_mistakes_are_told(run: Run, words: list[str], code: int, told: str) -> None:
    done = run("admin", "shard", *words)
    assert done.code == code
    assert told in done.err
    assert "s3cret" not in done.err


def test_one_schema_named_twice_is_refused(run: Run, postgres_url: str, tmp_path: Path) -> None:
    place = urls(postgres_url, "s", 1)[0]
    done = run("admin", "shard", "--map", "shards.toml", place, place)
    assert done.code == 2
    assert "is named twice" in done.err
    assert not (tmp_path / "shards.toml").exists()


def test_the_options_of_a_shard_are_kept(run: Run, postgres_url: str, tmp_path: Path) -> None:
    places = [f"{url}&pool=3&retries=0" for url in urls(postgres_url, "s", 2)]
    assert run("admin", "shard", "--map", "shards.toml", *places).code == 0
    with closing(open_store(f"shards:{tmp_path / 'shards.toml'}")) as store:
        assert shard_at(store, 0).settings.pool == 3


# --- the file


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "shards.toml"
    shard_map = ShardMap.equal(3)
    given = [f"{EXAMPLE}?schema=s{number}" for number in range(3)]
    path.write_text(shards_text(shard_map, given), "utf-8")
    read, shards = read_shards(path)
    assert read == shard_map
    assert shards == tuple(map(ShardURL.read, given))
    assert "s3cret" not in repr(shards)
    assert [shard.place for shard in shards] == [f"postgresql://***@db.example/library?schema=s{n}" for n in range(3)]


GOOD = shards_text(ShardMap("ab" * 16, ("8",)), [EXAMPLE, EXAMPLE])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("version = 1", "version = 2"), "version"),
        (lambda text: text.replace("version = 1", ""), "version"),
        (lambda text: text.replace("[[shard]]", "[shard]", 1), "can't be read"),
        (lambda text: text.partition("[[shard]]")[0], "shard: expected"),
        (lambda text: text.replace('"8"', '"x"'), "bound"),
        (lambda text: text.replace('"8"', "8"), "texts in quotes"),
        (lambda text: text.replace('from = "0"', 'from = "4"'), "from 0"),
        (lambda text: text.replace("abab", "zz"), "set"),
        (lambda text: text.replace("url = ", "uri = "), "url: missing"),
        (lambda text: text.replace("postgresql:", "sqlite:"), "only PostgreSQL"),
        (lambda text: text.replace("library", "library?colour=red"), "unknown option"),
        (lambda text: text + "\x00", "can't be read"),
    ],
)
def test_a_file_that_is_no_map_is_refused_in_one_line_without_secrets(
    tmp_path: Path, change: Callable[[str], str], told: str
) -> None:
    path = tmp_path / "shards.toml"
    path.write_text(change(GOOD), "utf-8")
    with pytest.raises(ConfigError) as caught:
        open_store(f"shards:{path}")
    text = str(caught.value)
    assert told in text
    assert "shards.toml" in text
    assert "s3cret" not in text
    assert len(text.splitlines()) == 1


def test_a_map_that_is_not_there_is_refused_whether_or_not_a_store_may_be_made(tmp_path: Path) -> None:
    for make in (True, False):
        with pytest.raises(ConfigError, match=r"no shard map at .*admin shard"):
            open_store(f"shards:{tmp_path / 'none.toml'}", make=make)


def test_the_url_is_a_path_whose_files_must_be_named() -> None:
    assert configure_store("shards:a%20b.toml") == ShardsConfig(Path("a b.toml"))
    assert anchored("shards:shards.toml", Path("folder")) == f"shards:{Path('folder') / 'shards.toml'}"
    assert local_path("shards:shards.toml") is None
    with pytest.raises(ConfigError, match="where its files are"):
        files_beside("shards:shards.toml")
    with pytest.raises(ConfigError, match="lacks a path"):
        configure_store("shards:")
    with pytest.raises(ConfigError, match="takes none"):
        configure_store("shards:x.toml?pool=3")
