"""What a find would read: by the same choice as the find itself, from a few answers that only count."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from stat7.query import Query
from stat7.stores.base import Plan
from stat7.stores.dynamodb.find import Way, cell_request, links_request, way_of
from stat7.stores.dynamodb.layout import INDEX
from stat7.stores.dynamodb.session import Session
from stat7.stores.planning import PAGE

_SAMPLED: Final = 40
"""Parts that are counted in at most; the rest is taken to be like them."""
_ROWS: Final = 400
"""Rows that are looked at in each of them at most."""


class Counted(NamedTuple):
    """Rows looked at and matches among them, in all parts; whether that is all, or there is more."""

    rows: float
    matches: float
    whole: bool


def explain(session: Session, asked: Query) -> Plan:
    """How `find` answers this query."""
    way = way_of(session, asked)
    if way.method == "none":
        return Plan("none", True, 0, 0, "nothing is read: a range of the query holds no value")
    counted = _counted(session, asked, way)
    if way.method == "scan":
        counted = _scaled(session, counted)
    matches = round(counted.matches)
    per_match = counted.rows / max(counted.matches, 0.5)
    rows = round(min(counted.rows, PAGE * per_match)) if matches > PAGE else round(counted.rows)
    return Plan(way.method, way.method != "scan", rows, matches, _detail(way, counted))


def index_size(session: Session) -> int:
    """Rows of the index, as DynamoDB last counted them: it does so every six hours."""
    table = session.call("describe_table", TableName=session.layout.table)["Table"]
    indexes = table.get("GlobalSecondaryIndexes", ())
    return next((int(each.get("ItemCount", 0)) for each in indexes if each["IndexName"] == INDEX), 0)


def _counted(session: Session, asked: Query, way: Way) -> Counted:
    step = max(1, -(-len(way.parts) // _SAMPLED))
    sample = way.parts[::step]

    def look(part: Any) -> dict[str, Any]:
        if way.method == "links":
            request = links_request(session, asked, part, None, _ROWS)
            del request["ProjectionExpression"]
            used = f"{request['KeyConditionExpression']} {request.get('FilterExpression', '')} ".replace(")", " ")
            names = {name: told for name, told in request["ExpressionAttributeNames"].items() if f"{name} " in used}
            request["ExpressionAttributeNames"] = names
        else:
            request = cell_request(session, asked, part)
        if not request["ExpressionAttributeNames"]:
            del request["ExpressionAttributeNames"]
        request |= {"Select": "COUNT", "Limit": _ROWS}
        return session.call("query" if part else "scan", **request)

    answers = session.map(look, sample)
    scale = len(way.parts) / max(len(sample), 1)
    rows, matches = sum(each["ScannedCount"] for each in answers), sum(each["Count"] for each in answers)
    return Counted(rows * scale, matches * scale, all("LastEvaluatedKey" not in each for each in answers))


def _scaled(session: Session, counted: Counted) -> Counted:
    """For all of the index what was counted at its beginning."""
    if counted.whole:
        return counted
    rows = max(counted.rows, index_size(session))
    return Counted(rows, counted.matches * rows / max(counted.rows, 1), True)


def _detail(way: Way, counted: Counted) -> str:
    rows = f"{'about' if counted.whole else 'more than'} {round(counted.rows):,}"
    if way.method == "links":
        return f"reads {rows} links of the neighbour or file, and looks whether their documents are there"
    if way.method == "cells":
        return f"asks {len(way.parts):,} cells of realm, horizon and quarter, each by lineage: {rows} rows of the index"
    return f"no index serves this query: it reads the whole index of documents, {rows} rows"
