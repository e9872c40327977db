"""Finding over HTTP: queries, plans, current versions, histories and neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from stat7.errors import InvalidQuery
from stat7.gateway.entities import checked_address, names_in
from stat7.gateway.exchange import Exchange
from stat7.gateway.pages import Found, Versions, answer_json, answer_page
from stat7.gateway.problems import bad_request
from stat7.gateway.rsgi import Header
from stat7.query import Query
from stat7.repository import checked_id
from stat7.stores.base import HeadMove

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

QUERY: Final = {
    "realm": "realm", "lineage": "lineage", "adjacent_to": "adjacent_to", "horizon": "horizon",
    "resonance": "resonance", "velocity": "velocity", "density": "density", "type": "entity_type",
    "created": "created", "file": "file", "versions": "versions",
}  # fmt: skip
"""Parameters of a find, and what `Query` calls them."""

PAGE: Final = 100


def _query_of(given: Mapping[str, str]) -> Query:
    try:
        return Query(**{QUERY[name]: value for name, value in given.items() if name in QUERY})
    except InvalidQuery as error:
        field = next((name for name, called in QUERY.items() if called == error.field), error.field)
        raise InvalidQuery(field, error.reason) from None


def limit_of(exchange: Exchange, default: int = PAGE) -> int:
    """The parameter `limit`. Raises a 400."""
    most = exchange.limits.page
    text = exchange.query.get("limit", str(min(default, most)))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most and len(text) <= 9):
        raise bad_request(f"{ascii(text)[:40]} is not a whole number from 1 to {most}", "limit")
    return int(text)


def flag_of(exchange: Exchange, name: str, default: bool) -> bool:
    """A parameter that is true or false. Raises a 400."""
    text = exchange.query.get(name, "true" if default else "false")
    if text not in ("true", "false"):
        raise bad_request(f"{ascii(text)[:40]} is not true or false", name)
    return text == "true"


async def find(gateway: Gateway, exchange: Exchange) -> None:
    """GET /entities?…"""
    given = exchange.only(*QUERY, "cursor", "limit", "documents", "allow_scan")
    query, limit = _query_of(given), limit_of(exchange)
    cursor = given.get("cursor") or None
    documents, allow = flag_of(exchange, "documents", True), flag_of(exchange, "allow_scan", False)

    def link(following: str) -> Header:
        return "link", f'</entities?{urlencode({**given, "cursor": following})}>; rel="next"'

    if documents:
        page = Found(gateway, query, cursor, limit, allow_scan=allow, link=link)
        await answer_page(gateway, exchange, page)
        return
    found = await gateway.pool.call(gateway.repository.find_page, query, cursor, limit, allow_scan=allow)
    matches = [{"address": match.address, "id": match.id} for match in found.items]
    headers = [] if found.cursor is None else [link(found.cursor)]
    await answer_json(gateway, exchange, {"matches": matches, "cursor": found.cursor}, *headers)


async def explain(gateway: Gateway, exchange: Exchange) -> None:
    """GET /explain?…"""
    query = _query_of(exchange.only(*QUERY))
    plan = await gateway.pool.call(gateway.repository.explain, query)
    names = ("method", "indexed", "rows", "matches", "detail")
    exchange.answer_json({name: getattr(plan, name) for name in names})


def _id_of(exchange: Exchange) -> str:
    id = exchange.query.get("id")
    if not id:
        raise bad_request("missing: write ?id=…", "id")
    exchange.subject = id
    return id


async def head(gateway: Gateway, exchange: Exchange) -> None:
    """GET /head?id=…"""
    exchange.only("id")
    id = _id_of(exchange)
    address = await gateway.pool.call(gateway.repository.head, id)
    exchange.answer_json({"id": id, "address": address})


async def history(gateway: Gateway, exchange: Exchange) -> None:
    """GET /history?id=…: newest first; the cursor is the version that a page ends before."""
    given = exchange.only("id", "limit", "cursor")
    start = checked_address(given["cursor"], "cursor") if "cursor" in given else None
    id = _id_of(exchange)
    versions = Versions(gateway.repository, gateway.monitor, id, start, limit_of(exchange))
    await answer_page(gateway, exchange, versions)


async def neighbours(gateway: Gateway, exchange: Exchange) -> None:
    """GET /neighbours?id=…"""
    exchange.only("id", "limit")
    id = _id_of(exchange)
    limit = limit_of(exchange)
    found = await gateway.pool.call(lambda: list(islice(gateway.repository.neighbours(id), limit + 1)))
    shown = [each._asdict() for each in found[:limit]]
    await answer_json(gateway, exchange, {"id": id, "neighbours": shown, "more": len(found) > limit})


async def heads(gateway: Gateway, exchange: Exchange) -> None:
    """POST /heads: the current addresses of ids."""
    ids = await names_in(exchange, "ids")
    await answer_json(gateway, exchange, await gateway.pool.call(gateway.repository.store.heads, ids))


async def move_heads(gateway: Gateway, exchange: Exchange) -> None:
    """POST /heads/moves: compare and swap heads, each on its own."""
    given = await exchange.json(exchange.limits.line * 4)
    moves = [_move(each) for each in given] if isinstance(given, list) else None
    if moves is None or len(moves) > exchange.limits.batch:
        raise bad_request(f"expected a list of at most {exchange.limits.batch} moves", "body")
    if len({move.id for move in moves}) < len(moves):
        raise bad_request("an id occurs twice", "body")
    exchange.subject = ",".join(move.id for move in moves)
    exchange.answer_json(await gateway.pool.call(gateway.repository.store.swap_heads, moves))


def _move(given: Any) -> HeadMove:
    wanted = isinstance(given, dict) and given.keys() == {"id", "expected", "new"} and isinstance(given["id"], str)
    if not wanted or not all(given[name] is None or isinstance(given[name], str) for name in ("expected", "new")):
        raise bad_request("a move is an object of id, expected and new, the latter two addresses or null", "body")
    for name in ("expected", "new"):
        if given[name] is not None:
            checked_address(given[name], name)
    return HeadMove(checked_id(given["id"]), given["expected"], given["new"])
