"""What `doctor` asks: the table, its index, how it is paid for and kept, how far away and how full it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

from stat7.errors import Stat7Error
from stat7.stores.base import Check
from stat7.stores.dynamodb.layout import ABOUT, INDEX, VERSION
from stat7.stores.dynamodb.session import Session
from stat7.stores.dynamodb.table import differences
from stat7.stores.latency import check_latency

_CLOCK_SECONDS: Final = 5.0


def disk_bytes(session: Session) -> int:
    """Bytes of the table and its index, as DynamoDB last measured them: it does so every six hours."""
    table = _described(session)
    indexes = table.get("GlobalSecondaryIndexes", ())
    return int(table.get("TableSizeBytes", 0)) + sum(int(each.get("IndexSizeBytes", 0)) for each in indexes)


def diagnose(session: Session) -> list[Check]:
    """One Check for each thing that can be wrong with the table and the way there."""
    table = _described(session)
    return [
        _region(session),
        _status(table),
        _schema(session, table),
        _index(table),
        _billing(table),
        _recovery(session),
        _protection(table),
        *_way(session),
    ]


def _described(session: Session) -> dict[str, Any]:
    described: dict[str, Any] = session.call("describe_table", TableName=session.layout.table)["Table"]
    return described


def _region(session: Session) -> Check:
    meta = session.client.api().meta
    return Check("dynamodb", "ok", f"table {session.layout.table} in {meta.region_name}, {meta.endpoint_url}")


def _status(table: dict[str, Any]) -> Check:
    status = table["TableStatus"]
    if status == "ACTIVE":
        return Check("table", "ok", "active")
    text = f"{status.lower()}: wait until it is active; if its key is inaccessible, mend that or restore a backup"
    return Check("table", "warn" if status == "UPDATING" else "fail", text)


def _schema(session: Session, table: dict[str, Any]) -> Check:
    wrong = differences(table)
    if wrong:
        return Check("schema", "fail", f"{'; '.join(wrong)}; restore a backup, or copy to a new table")
    return Check("schema", "ok", f"version {VERSION}, the latest, in {session.layout.spread} parts")


def _index(table: dict[str, Any]) -> Check:
    index = next((each for each in table.get("GlobalSecondaryIndexes", ()) if each["IndexName"] == INDEX), None)
    status = "missing" if index is None else index["IndexStatus"]
    if status == "ACTIVE":
        return Check("index", "ok", "active; what was put is found a moment later")
    return Check("index", "fail", f"{status.lower()}: finds are incomplete until it is active")


def _billing(table: dict[str, Any]) -> Check:
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    if mode == "PAY_PER_REQUEST":
        return Check("billing", "ok", "on demand")
    text = "provisioned: what exceeds it is refused; see that auto scaling covers the index too, or choose on demand"
    return Check("billing", "warn", text)


def _recovery(session: Session) -> Check:
    try:
        answer = session.call("describe_continuous_backups", TableName=session.layout.table)
    except Stat7Error:
        text = "whether there is point-in-time recovery can't be seen; allow dynamodb:DescribeContinuousBackups"
        return Check("backups", "warn", text)
    told = answer.get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
    if told.get("PointInTimeRecoveryStatus") == "ENABLED":
        text = "point-in-time recovery is on; what is withdrawn can be restored from it for up to 35 days"
        return Check("backups", "ok", text)
    text = "point-in-time recovery is off: nothing brings back what a mistake erases; turn it on, or back up otherwise"
    return Check("backups", "warn", text)


def _protection(table: dict[str, Any]) -> Check:
    if table.get("DeletionProtectionEnabled"):
        return Check("deletion protection", "ok", "on")
    return Check("deletion protection", "warn", "off: one request removes the whole table; turn it on")


def _way(session: Session) -> Iterator[Check]:
    """How far the service is, and whether its clock agrees with ours."""
    apart = 0.0

    def ask() -> None:
        nonlocal apart
        before = time.time()
        answer = session.call("get_item", TableName=session.layout.table, Key=ABOUT, ConsistentRead=True)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date:
            # It tells whole seconds, cut off.
            apart = parsedate_to_datetime(date).timestamp() + 0.5 - (before + time.time()) / 2

    yield check_latency(ask, "in the table's region")
    text = f"{apart:+.1f} s from ours"
    if abs(apart) > _CLOCK_SECONDS:
        yield Check("server clock", "warn", f"the service's is {text}: set ours by NTP, for signatures go by it")
    else:
        yield Check("server clock", "ok", text)
