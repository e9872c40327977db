"""The table is made by who may, recognised, taken over if empty, refused if it is another's; and what doctor says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from stat7.errors import ConfigError, InvalidQuery, Unavailable, Unsupported
from stat7.query import Query
from stat7.registry import open_store
from stat7.repository import Repository
from stat7.testing.required import need_driver
from stat7.testing.samples import FILES, attached, sample, samples
from stat7.testing.servers import DynamoDB
from stat7.testing.store_suite import check_all, find_all, scan_all

pytest.importorskip("boto3")

from stat7.files.memory import MemoryFiles
from stat7.stores.base import Store
from stat7.stores.dynamodb import DynamoDBStore
from stat7.stores.dynamodb.layout import ABOUT
from tests.stores.dynamodb import below, settings_for, url_for


@pytest.fixture
def server(dynamodb: DynamoDB) -> DynamoDB:
    """A server without tables."""
    need_driver("dynamodb", "boto3")
    return dynamodb


@pytest.fixture
def store(server: DynamoDB) -> Iterator[DynamoDBStore]:
    """A store in a table that was just made."""
    with DynamoDBStore(settings_for(server)) as opened:
        yield opened


def _by_url(server: DynamoDB, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Store:
    for name, value in server.credentials.items():
        monkeypatch.setenv(name.upper().replace("REGION_NAME", "AWS_DEFAULT_REGION"), value)
    return open_store(url_for(server), **options)


def test_only_who_may_make_a_store_makes_the_table(server: DynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="stat7 init"):
        _by_url(server, monkeypatch, make=False)
    assert server.tables() == []
    with closing(_by_url(server, monkeypatch)) as made, closing(_by_url(server, monkeypatch, make=False)) as again:
        made.put(samples(3))
        assert again.count() == 3


def test_the_table_is_on_demand_and_keeps_its_parts(server: DynamoDB) -> None:
    with DynamoDBStore(settings_for(server, partitions=64)) as store:
        store.put(samples(200))
        described = below(store).describe_table(TableName="stat7")["Table"]
        assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        with DynamoDBStore(settings_for(server, partitions=2)) as other:
            assert scan_all(other, 30) == scan_all(store, 200)
            assert [address for address, _ in scan_all(other)] == sorted(record.address for record in samples(200))
            assert check_all(other) == []


def test_a_newer_store_and_a_senseless_one_are_refused(store: DynamoDBStore) -> None:
    api = below(store)
    for version, spread, said in (("2", "4", "newer"), ("0", "4", "sensible"), ("1", "0", "sensible")):
        api.put_item(TableName="stat7", Item={**ABOUT, "version": {"N": version}, "spread": {"N": spread}})
        for make in (True, False):
            with pytest.raises(ConfigError, match=said):
                DynamoDBStore(store.settings, make=make)


def test_an_empty_table_of_the_right_form_is_taken_over_and_another_refused(
    server: DynamoDB, store: DynamoDBStore
) -> None:
    api = below(store)
    api.delete_item(TableName="stat7", Key=ABOUT)
    with pytest.raises(ConfigError, match="stat7 init"):
        DynamoDBStore(store.settings, make=False)
    with DynamoDBStore(store.settings) as again:
        assert again.count() == 0
    api.create_table(
        TableName="words", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "B"} for name in ("pk", "sk")],
    )  # fmt: skip
    with pytest.raises(ConfigError, match="it has no index cell"):
        DynamoDBStore(settings_for(server, "words"))


def test_a_table_that_holds_other_items_is_refused(store: DynamoDBStore) -> None:
    below(store).delete_item(TableName="stat7", Key=ABOUT)
    below(store).put_item(TableName="stat7", Item={"pk": {"B": b"other"}, "sk": {"B": b"item"}})
    with pytest.raises(ConfigError, match="holds items"):
        DynamoDBStore(store.settings)


def test_a_service_that_is_not_there_is_told_in_seconds(server: DynamoDB) -> None:
    begun = time.monotonic()
    for make in (True, False):
        with pytest.raises(Unavailable, match="check region and endpoint"):
            DynamoDBStore(settings_for(server, endpoint="http://127.0.0.1:1"), make=make)
    assert time.monotonic() - begun < 10


def test_wrong_keys_are_told_as_that(server: DynamoDB) -> None:
    wrong = replace(settings_for(server), access_key_id="not-alphanumeric!", retry=1.0)
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        DynamoDBStore(wrong)


def test_a_table_with_another_key_says_so(server: DynamoDB, store: DynamoDBStore) -> None:
    below(store).create_table(
        TableName="words", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    for make in (True, False):
        with pytest.raises(ConfigError, match="words"):
            DynamoDBStore(settings_for(server, "words"), make=make)


def test_a_table_that_vanishes_is_told_by_every_call(store: DynamoDBStore) -> None:
    below(store).delete_table(TableName="stat7")
    for call in (lambda: store.put(samples(1)), lambda: store.get(["0" * 64]), store.count, store.marks):
        with pytest.raises(ConfigError, match="stat7 init"):
            call()


def test_doctor_names_every_part(store: DynamoDBStore) -> None:
    checks = {check.name: check for check in store.diagnose()}
    assert {"dynamodb", "table", "schema", "index", "billing", "backups", "latency", "server clock"} <= checks.keys()
    assert {checks[name].status for name in ("dynamodb", "table", "schema", "index", "billing", "latency")} == {"ok"}
    assert "us-east-1" in checks["dynamodb"].text
    assert checks["deletion protection"].status == "warn"
    assert store.disk_bytes() >= 0


def _described(store: DynamoDBStore, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> dict[str, str]:
    """Status by name of what doctor says of a table that is described otherwise."""
    told = below(store).describe_table(TableName="stat7")
    answer = {"Table": {**told["Table"], **changed}}
    monkeypatch.setattr(store._client.api(), "describe_table", lambda TableName: answer)  # noqa: N803
    return {check.name: check.status for check in store.diagnose()}


def test_doctor_sees_what_is_wrong_with_the_table(store: DynamoDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _described(store, monkeypatch, TableStatus="UPDATING")["table"] == "warn"
    assert _described(store, monkeypatch, TableStatus="INACCESSIBLE_ENCRYPTION_CREDENTIALS")["table"] == "fail"
    assert _described(store, monkeypatch, BillingModeSummary={"BillingMode": "PROVISIONED"})["billing"] == "warn"
    assert _described(store, monkeypatch, DeletionProtectionEnabled=True)["deletion protection"] == "ok"
    without = _described(store, monkeypatch, GlobalSecondaryIndexes=[])
    assert (without["index"], without["schema"]) == ("fail", "fail")


@pytest.mark.parametrize(("status", "expected"), [("ENABLED", "ok"), ("DISABLED", "warn")])
def test_doctor_looks_for_point_in_time_recovery(
    store: DynamoDBStore, monkeypatch: pytest.MonkeyPatch, status: str, expected: str
) -> None:
    told = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}
    answer = {"ContinuousBackupsDescription": told}
    monkeypatch.setattr(store._client.api(), "describe_continuous_backups", lambda TableName: answer)  # noqa: N803
    assert {check.name: check.status for check in store.diagnose()}["backups"] == expected


# --- finding


def _plans(store: DynamoDBStore) -> dict[str, str]:
    queries = {
        "everything": Query(),
        "reals": Query(resonance="0.."),
        "type": Query(entity_type="a"),
        "realm": Query(realm="data"),
        "horizon": Query(horizon="peak"),
        "lineage": Query(lineage=3),
        "neighbour": Query(adjacent_to="n"),
        "file": Query(file=FILES[0]),
        "nothing": Query(lineage="9007199254740992.."),
    }
    return {name: store.explain(query).method for name, query in queries.items()}


def test_each_query_is_served_in_its_way(store: DynamoDBStore) -> None:
    expected = {
        "everything": "scan", "reals": "scan", "type": "scan", "realm": "cells", "horizon": "cells", "lineage": "cells",
        "neighbour": "links", "file": "links", "nothing": "none",
    }  # fmt: skip
    assert _plans(store) == expected
    store.put([sample("a", adjacency=["n"], files=[attached(FILES[0])])])
    assert _plans(store) == expected


def test_a_find_that_reads_the_whole_index_is_refused_unless_it_is_allowed(store: DynamoDBStore) -> None:
    records = samples(30)
    store.put(records)
    repository = Repository(store, MemoryFiles())
    for query in (Query(versions="all"), Query(resonance="0..", versions="all")):
        with pytest.raises(Unsupported, match="--allow-scan"):
            list(repository.find(query))
        assert len(list(repository.find(query, allow_scan=True))) == 30
    assert len(list(repository.find(Query(realm="data", versions="all")))) == 30


def test_with_many_realms_a_query_that_names_none_scans(store: DynamoDBStore) -> None:
    records = [sample(f"{number}", realm=f"realm{number}", lineage=number % 3) for number in range(40)]
    store.put(records)
    assert store.explain(Query(lineage=1)).method == "scan"
    assert store.explain(Query(lineage=1, realm=[f"realm{number}" for number in range(100)])).method == "cells"
    for query in (Query(lineage=1), Query(lineage=1, realm=[f"realm{number}" for number in range(100)])):
        expected = sorted((record.address, record.id) for record in records if query.matches(record))
        assert sorted(find_all(store, query, 5)) == expected


def test_a_cursor_that_no_find_made_is_refused(store: DynamoDBStore) -> None:
    store.put(samples(5))
    realm, everything, linked = Query(realm="data"), Query(), Query(adjacent_to="n")
    foreign = [f"{place}:{'0' * 64}" for place in ("void#0#0:0", "data#9#0:0", f"data#0#0:{'9' * 16}")]
    for query, positions in (
        (realm, ["", "x", "0" * 64, *foreign]),
        (everything, ["", "data#0#0", "0" * 64]),
        (linked, ["", "f" * 63, f"data#0#0:0:{'0' * 64}"]),
    ):  # fmt: skip
        for position in positions:
            with pytest.raises(InvalidQuery, match="cursor"):
                store.find(query, query.cursor(position), 3)


def test_the_plan_of_a_large_index_is_an_estimate(store: DynamoDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stat7.stores.dynamodb.explain._ROWS", 20)
    store.put([sample(f"{number}", realm="data" if number % 4 else "void") for number in range(200)])
    everything = store.explain(Query())
    assert 150 <= everything.matches <= 250
    assert everything.rows == pytest.approx(100, abs=20)
    assert store.explain(Query(realm="data")).detail.count("more than") == 1


def test_nothing_of_the_environment_is_needed_where_settings_say_it(
    server: DynamoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with DynamoDBStore(settings_for(server)) as store:
        assert store.count() == 0
