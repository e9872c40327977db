"""docs/scaling.md holds what scripts/scaling.py prints, and its arithmetic fits the stores' own layouts."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import scaling
from scaling import Load

LOAD = Load(1e9, 1e5, 0.7, 3.5, 405)


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the script prints."""
    assert scaling.main(arguments) == 0
    return capsys.readouterr().out


def test_the_page_holds_exactly_the_tables_that_are_printed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (checkout / "docs" / "scaling.md").read_text("utf-8")
    printed = output(capsys)
    for block in printed.strip().split("\n\n"):
        title = block.partition("\n")[0]
        assert f"\n{block}\n" in page, f"run scripts/scaling.py and replace the table under {title!r}"
    tables = [line for line in page.splitlines() if line.startswith(("### ", "|"))]
    assert tables == [line for line in printed.splitlines() if line]


def test_the_same_load_gives_the_same_tables_and_another_load_others(capsys: pytest.CaptureFixture[str]) -> None:
    first = output(capsys, "--ops", "2000")
    assert output(capsys, "--ops", "2000") == first
    assert output(capsys, "--ops", "4000") != first


def test_json_holds_the_same_tables_and_nothing_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(output(capsys, "--json", "--read-share", "0.5"), parse_constant=refuse)
    assert found["load"]["read_share"] == 0.5
    assert list(found["tables"]) == re.findall("^### (.*)$", output(capsys), re.MULTILINE)
    assert all(len(row) == len(each["columns"]) for each in found["tables"].values() for row in each["rows"])


@pytest.mark.parametrize(
    "arguments",
    [["--read-share", "1"], ["--read-share", "0"], ["--links", "0"], ["--entities", "1e6", "--ops", "100"]],
    ids=" ".join,
)
def test_the_ends_of_the_ranges_are_computed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "nan" not in output(capsys, *arguments)


@pytest.mark.parametrize("arguments", [["--read-share", "70"], ["--ops", "nan"], ["--entities", "0"], ["--links", "x"]])
def test_what_is_out_of_range_is_refused_by_its_name(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        scaling.main(arguments)
    assert arguments[0] in capsys.readouterr().err


def test_bytes_and_units_of_dynamodb_are_those_of_its_items() -> None:
    pytest.importorskip("boto3")
    from _entities import records

    from stat7.stores.dynamodb.layout import FACTS, Layout, link_items

    def size(item: dict[str, Any]) -> float:
        values = [next(iter(value.items())) for value in item.values()]
        return sum(map(len, item)) + sum(len(value) / 2 + 1 if kind == "N" else len(value) for kind, value in values)

    layout, made = Layout("t", scaling.D_PARTS), list(records(300))
    items = [layout.document_item(record) for record in made]
    links = [link_items(record, item) for record, item in zip(made, items, strict=True)]
    rows: list[dict[str, Any]] = [
        {name: item[name] for name in ("pk", "sk", "c", "p", *FACTS) if name in item} for item in items
    ]
    heads: list[dict[str, Any]] = [
        {**layout.head_key(record.id), "i": {"S": record.id}, "a": {"B": b"a" * 32}} for record in made
    ]
    load = LOAD._replace(links=fmean(map(len, links)), document_bytes=fmean(len(record.document) for record in made))
    found = [
        fmean(map(size, items)), fmean(map(size, rows)), fmean(sum(map(size, each)) for each in links),
        fmean(map(size, heads)),
    ]  # fmt: skip
    assert scaling.dynamodb_bytes(load) == pytest.approx(found, rel=0.03)
    assert max(size(item) for item in [*items, *rows, *heads, *(link for each in links for link in each)]) < 1024
    assert scaling.dynamodb_units(load)[:2] == (1, 1)
    assert scaling.dynamodb_units(load)[2] == pytest.approx(3 + load.links)


def test_a_larger_document_takes_more_units() -> None:
    assert scaling.dynamodb_units(LOAD._replace(document_bytes=10_000)) == (3, 10, 10 + 1 + 3.5 + 1)


def test_the_stores_are_divided_as_they_say() -> None:
    pytest.importorskip("boto3")
    pytest.importorskip("cassandra")
    from stat7.coordinates import HORIZONS
    from stat7.stores.cassandra import Settings as CassandraSettings
    from stat7.stores.cassandra.rows import LINK_BUCKETS, LINK_GROUPS
    from stat7.stores.dynamodb import Settings
    from stat7.stores.dynamodb.layout import QUARTERS

    assert LINK_GROUPS * LINK_BUCKETS == scaling.C_LINK_PARTS
    assert CassandraSettings(("node",)).buckets == scaling.POSSIBLE_BUCKETS[0]
    assert Settings("t").partitions == scaling.D_PARTS
    assert QUARTERS == scaling.D_QUARTERS
    assert len(HORIZONS) == scaling.HORIZONS


def test_nodes_follow_from_the_bound_that_decides() -> None:
    cost = (0.001, 0.01)  # 70,000 gets and 30,000 puts: 370 core seconds a second
    assert scaling.cassandra_plan(LOAD, cost).servers == math.ceil(370 / (16 * 0.5))
    assert scaling.cassandra_plan(LOAD._replace(entities=1e12), cost).bounds[0] == pytest.approx(1850, rel=0.02)
    assert scaling.cassandra_plan(LOAD._replace(ops=1, entities=1e6), cost).servers == 3
    assert scaling.postgresql_plan(LOAD._replace(entities=1e11)).servers > 100 * 2


def test_waiting_is_erlangs_formula() -> None:
    cores, busy = 16, 0.8
    offered = cores * busy
    last = offered**cores / math.factorial(cores) / (1 - busy)
    waits = last / (sum(offered**k / math.factorial(k) for k in range(cores)) + last)
    assert scaling.waiting(busy) == pytest.approx(math.log(waits / 0.01) / (cores * (1 - busy)))
    assert scaling.waiting(0.1) == 0
    assert scaling.waiting(1.0) == math.inf


def test_what_is_spread_evenly_has_no_busiest_and_what_is_popular_has() -> None:
    chance = random.Random(1)
    assert scaling.busiest_shard(8, 0.0, 1e9) == pytest.approx(1, abs=0.001)
    assert scaling.busiest_shard(8, 1.0, 1e9) > 1.3
    assert list(scaling.busiest_node(3, LOAD, chance)) == pytest.approx([1, 1])
    assert scaling.busiest_node(100, LOAD, chance)[0] > 1.2


def test_one_writer_never_loses_and_more_lose_more() -> None:
    chance = random.Random(1)
    assert scaling.races(1, chance)[0] == 1
    assert scaling.races(8, chance)[0] > scaling.races(2, chance)[0] > 1.5
