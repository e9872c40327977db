"""What jobs over a whole store need: copy, verify, repair, gc and the stress test work over HTTP by these."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from stat7.address import is_address
from stat7.contracts import Page
from stat7.errors import InvalidEntity
from stat7.files.base import StoredFile
from stat7.gateway import access, lines
from stat7.gateway.entities import checked_address, digests_in
from stat7.gateway.exchange import Exchange
from stat7.gateway.files import upload
from stat7.gateway.finding import limit_of
from stat7.gateway.pages import Scanned, answer_json, answer_page
from stat7.gateway.problems import bad_request, forbidden, too_large
from stat7.operations.resuming import MARK as COPY
from stat7.record import Notice, Record, normalise_json

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

_DOCUMENTS: Final = 500


def _paged(exchange: Exchange) -> tuple[str | None, int]:
    exchange.only("cursor", "limit")
    return exchange.query.get("cursor") or None, limit_of(exchange, _DOCUMENTS)


async def scan(gateway: Gateway, exchange: Exchange) -> None:
    """GET /scan: documents and notices, as NDJSON."""
    cursor, limit = _paged(exchange)
    await answer_page(gateway, exchange, Scanned(gateway.repository.store, gateway.monitor, cursor, limit))


async def _page(
    gateway: Gateway, exchange: Exchange, fetch: Callable[[str | None, int], Page[Any]], shown: Callable[[Any], Any]
) -> None:
    cursor, limit = _paged(exchange)
    page = await gateway.pool.call(fetch, cursor, limit)
    await answer_json(gateway, exchange, {"items": [shown(item) for item in page.items], "cursor": page.cursor})


async def scan_heads(gateway: Gateway, exchange: Exchange) -> None:
    """GET /scan-heads."""
    await _page(gateway, exchange, gateway.repository.store.scan_heads, list)


async def scan_notices(gateway: Gateway, exchange: Exchange) -> None:
    """GET /scan-notices."""
    await _page(gateway, exchange, gateway.repository.store.scan_notices, Notice._asdict)


async def scan_files(gateway: Gateway, exchange: Exchange) -> None:
    """GET /scan-files."""
    await _page(gateway, exchange, gateway.repository.files.scan, _file)


async def scan_file_notices(gateway: Gateway, exchange: Exchange) -> None:
    """GET /scan-file-notices."""
    await _page(gateway, exchange, gateway.repository.files.scan_notices, Notice._asdict)


def _file(item: StoredFile | Notice) -> dict[str, Any]:
    return item._asdict()


async def digest(gateway: Gateway, exchange: Exchange) -> None:
    """GET /digest: everything is read for it."""
    exchange.only()
    taken = await gateway.digest()
    exchange.answer_json(taken.as_dict())


async def named_files(gateway: Gateway, exchange: Exchange) -> None:
    """POST /files/named: which of these some document names."""
    names = await digests_in(exchange, "sha256s")
    exchange.answer_json(sorted(await gateway.pool.call(gateway.repository.store.named_files, names)))


async def marks(gateway: Gateway, exchange: Exchange) -> None:
    """GET /marks: how far copies are; never keys."""
    exchange.only()
    found = await gateway.pool.call(gateway.repository.store.marks)
    exchange.answer_json({name: value for name, value in found.items() if not name.startswith(access.MARK)})


async def set_mark(gateway: Gateway, exchange: Exchange) -> None:
    """POST /marks: one that isn't a key; others than a copy's are for admins."""
    given = await exchange.json()
    wanted = isinstance(given, dict) and given.keys() == {"name", "value"} and isinstance(given["name"], str)
    if not wanted or not isinstance(given["value"], str | None) or not 0 < len(given["name"]) <= 300:
        raise bad_request("expected an object of name and value, the latter a text or null", "body")
    name = exchange.subject = given["name"]
    if name.startswith(access.MARK) or (name != COPY and access.ADMIN not in exchange.caller.scopes):
        raise forbidden(f"the mark {ascii(name)[:80]} is not set over HTTP")
    await gateway.pool.call(gateway.repository.store.set_mark, name, given["value"])
    exchange.answer_json({"name": name, "value": given["value"]})


async def check(gateway: Gateway, exchange: Exchange) -> None:
    """GET /check: index rows compared with documents."""
    await _page(gateway, exchange, gateway.repository.store.check, list)


async def repair_entities(gateway: Gateway, exchange: Exchange) -> None:
    """POST /repairs/entities: documents, as NDJSON, that replace whatever bytes are stored under their addresses."""
    records: list[Record] = []
    async for batch in lines.batches(exchange.inflated(), exchange.limits.line, exchange.limits.batch):
        for number, text in batch:
            try:
                records.append(normalise_json(text))
            except InvalidEntity as error:
                raise InvalidEntity(f"line {number}: {error.path}", error.reason) from None
    await gateway.pool.call(gateway.repository.store.replace, records)
    exchange.subject = ",".join(record.address for record in records)
    exchange.answer_json({"replaced": len(records)})


async def repair_file(gateway: Gateway, exchange: Exchange) -> None:
    """PUT /repairs/files/{sha256}: a file that replaces damaged or missing bytes."""
    sha256 = exchange.subject = checked_address(exchange.params[0], "sha256")
    file = await upload(gateway, exchange, sha256, repair=True)
    exchange.answer_json({"sha256": file.sha256, "size": file.size, "stored_at": file.stored_at})


async def discard(gateway: Gateway, exchange: Exchange) -> None:
    """POST /discards: take back documents just stored."""
    addresses = await digests_in(exchange, "addresses", "address")
    await gateway.pool.call(gateway.repository.store.discard, addresses)
    exchange.answer_json({"discarded": len(addresses)})


async def compact(gateway: Gateway, exchange: Exchange) -> None:
    """POST /compact: give freed space back."""
    exchange.only()
    exchange.answer_json({"freed": await gateway.jobs.call(gateway.repository.store.compact)})


async def delete_files(gateway: Gateway, exchange: Exchange) -> None:
    """POST /files/delete: what gc found to be unnamed."""
    given = await exchange.json(exchange.limits.line * 4)
    names = given.get("sha256s") if isinstance(given, dict) and given.keys() <= {"sha256s", "older_than"} else None
    older = given.get("older_than") if isinstance(given, dict) else None
    if not isinstance(names, list) or not all(map(is_address, names)) or not (older is None or type(older) is int):
        raise bad_request("expected an object of sha256s and, if wanted, older_than (ms since 1970)", "body")
    if len(names) > exchange.limits.batch:
        raise too_large("sha256s in one request", str(exchange.limits.batch))
    exchange.subject = ",".join(names)
    deleted = await gateway.jobs.call(gateway.repository.files.delete, names, older)
    exchange.answer_json(sorted(deleted))


async def sweep_files(gateway: Gateway, exchange: Exchange) -> None:
    """POST /files/sweep: erase what interrupted uploads left."""
    given = await exchange.json()
    if not isinstance(given, dict) or given.keys() != {"older_than"} or type(given["older_than"]) is not int:
        raise bad_request("expected an object of older_than (ms since 1970)", "body")
    swept = await gateway.jobs.call(gateway.repository.files.sweep, given["older_than"])
    exchange.answer_json({"swept": swept})
