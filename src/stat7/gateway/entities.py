"""Documents over HTTP: one by one, under their addresses, and many at a time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from stat7.address import Address, is_address
from stat7.errors import Corrupt, Gone, InvalidEntity, InvalidQuery, NotFound
from stat7.gateway import lines, spool
from stat7.gateway.exchange import JSON, NDJSON, NO_STORE, Disconnected, Exchange
from stat7.gateway.problems import PRIVATE, Problem, bad_request, problem_for, too_large
from stat7.gateway.scale import Scale
from stat7.gateway.settings import MIB
from stat7.putting import PutResult, Status
from stat7.record import Notice, Record, check_id, check_line, format_time, parse_time
from stat7.repository import put_each
from stat7.stored import get_each, verified
from stat7.stores.base import Outcome, Store

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

NDJSON_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
_PIECE: Final = 4 * MIB
_AT_ONCE: Final = 1000
_STATUS: Final = {Status.NEW: 201, Status.EXISTED: 200}
_OUTCOMES: Final = {Outcome.NEW: Status.NEW, Outcome.EXISTED: Status.EXISTED, Outcome.WITHDRAWN: Status.WITHDRAWN}


def read_documents(store: Store, addresses: Sequence[Address]) -> dict[Address, bytes | Notice | Corrupt]:
    """What is held under each address, the bytes hashed again; damage to one hides none of the others."""
    return verified_each(get_each(store, addresses))


def verified_each(held: Mapping[Address, bytes | Notice]) -> dict[Address, bytes | Notice | Corrupt]:
    """What a store gave, with an error in place of bytes that don't hash to their address."""
    found: dict[Address, bytes | Notice | Corrupt] = {}
    for address, document in held.items():
        # Spelt out, since it is what takes longest in large batches; `verified` then tells what is wrong.
        if not isinstance(document, bytes) or sha256(document).hexdigest() == address:
            found[address] = document
            continue
        try:
            found[address] = verified(address, document)
        except Corrupt as error:
            found[address] = error
    return found


def checked_address(text: str, field: str = "address") -> Address:
    """An address as it is asked for. Raises InvalidQuery."""
    if not is_address(text):
        raise InvalidQuery(field, f"{ascii(text)[:80]} is not 64 lowercase hex digits")
    return text


async def get_entity(gateway: Gateway, exchange: Exchange) -> None:
    """GET, HEAD /entities/{address}."""
    address = exchange.subject = exchange.params[0]
    tag = f'"{address}"'
    asked = exchange.headers.get("if-none-match")
    known = asked is not None and matches_tag(asked, tag)
    if known and (gateway.recent.has(address, exchange.begun) or await _is_there(gateway, checked_address(address))):
        exchange.not_modified((("etag", tag), gateway.caching))
        return
    held = await gateway.documents.get(checked_address(address))
    if not isinstance(held, bytes):
        raise NotFound(address) if held is None else Gone(held) if isinstance(held, Notice) else held
    gateway.monitor.served(len(held))
    exchange.answer(200, held, JSON, (("etag", tag), gateway.caching))


async def _is_there(gateway: Gateway, address: Address) -> bool:
    there = await gateway.there.get(address) is True
    if there:
        gateway.recent.add(address)
    return there


def matches_tag(asked: str, tag: str) -> bool:
    """Whether If-None-Match names this tag."""
    return asked == tag or asked.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in asked.split(","))


async def put_entity(gateway: Gateway, exchange: Exchange) -> None:
    """PUT /entities/{address}."""
    address = exchange.subject = checked_address(exchange.params[0])
    body = await exchange.body()
    result = await gateway.pool.call(gateway.repository.put_exact, address, body)
    await _answer_put(exchange, result)


async def post_entities(gateway: Gateway, exchange: Exchange) -> None:
    """POST /entities: one document, or NDJSON of many."""
    if exchange.media_type in NDJSON_TYPES:
        given = exchange.only("heads").get("heads", "move")
        if given not in ("move", "keep"):
            raise bad_request("is not one of move, keep", "heads")
        with gateway.transfer():
            await _post_many(gateway, exchange, keep=given == "keep")
    elif exchange.media_type in ("application/json", ""):
        exchange.only()
        (result,) = await gateway.pool.call(gateway.repository.put_many, [await exchange.body()])
        await _answer_put(exchange, result)
    else:
        detail = f"{exchange.media_type[:60]}: send application/json for one document, application/x-ndjson for many"
        raise Problem(415, "unsupported-type", "The type of the body isn't understood", detail)


async def _answer_put(exchange: Exchange, result: PutResult) -> None:
    if result.error is not None:
        raise result.error
    assert result.address is not None
    exchange.subject = result.address
    location = ("location", f"/entities/{result.address}")
    known = {"address": result.address, "status": result.status.value}
    exchange.answer_json(known, _STATUS[result.status], [location])


async def _post_many(gateway: Gateway, exchange: Exchange, *, keep: bool) -> None:
    """Results go out while documents come in, and neither waits for the other: a client that reads nothing until it
    has sent everything must not hold up both. The results that wait are bounded by the lines that a request may have.
    """
    limits = exchange.limits
    results: asyncio.Queue[bytes | None] = asyncio.Queue()
    repository = gateway.repository
    put = partial(put_documents, repository.store) if keep else repository.put_many
    writer: asyncio.Task[None] | None = None
    stored = 0
    try:
        async for batch in lines.batches(exchange.inflated(), limits.line, limits.lines):
            done = await gateway.pool.call(put, [text for _, text in batch])
            if writer is None:
                writer = asyncio.create_task(_write(exchange, results))
            stored += sum(each.error is None for each in done)
            for error in [each.error for each in done if isinstance(each.error, PRIVATE)][:1]:
                problem_for(error, exchange.id)  # into the log
            results.put_nowait(
                b"".join([lines.result_line(number, each) for (number, _), each in zip(batch, done, strict=True)])
            )
    except Exception as error:
        if writer is None:
            raise
        results.put_nowait(lines.broken_line(problem_for(error, exchange.id)))
    finally:
        exchange.subject = f"{stored} documents"
        if writer is not None:
            results.put_nowait(None)
            with suppress(Disconnected):
                await writer
    if writer is None:
        exchange.answer(200, b"", NDJSON)


async def _write(exchange: Exchange, results: asyncio.Queue[bytes | None]) -> None:
    exchange.begin(200, NDJSON, [NO_STORE])
    while (piece := await results.get()) is not None:
        await exchange.write(piece)
    exchange.end()


def put_documents(store: Store, documents: Sequence[bytes]) -> list[PutResult]:
    """Store documents and leave all heads where they are; files are not looked at. For copies."""

    def put(records: Sequence[Record]) -> list[PutResult]:
        outcomes, _ = store.put(records) if records else ([], [])
        return [
            PutResult(_OUTCOMES[outcome], record.address) for record, outcome in zip(records, outcomes, strict=True)
        ]

    return put_each(documents, put)


async def names_in(exchange: Exchange, field: str) -> list[str]:
    """The texts of one JSON list in the body, plain or as the member `field` of an object."""
    given = await exchange.json(exchange.limits.line * 4)
    if isinstance(given, dict):
        given = given.get(field) if given.keys() == {field} else None
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise bad_request(f'expected a JSON list of texts, or {{"{field}": [...]}}', "body")
    if len(given) > exchange.limits.batch:
        raise too_large(f"{field} in one request", str(exchange.limits.batch))
    exchange.subject = f"{len(given)} {field}"
    return given


async def digests_in(exchange: Exchange, field: str, named: str = "") -> list[str]:
    """The same where they are addresses, or digests of files; a bad one is named by `named` (else by `field`)."""
    names = await names_in(exchange, field)
    return names if all(map(is_address, names)) else [checked_address(each, named or field) for each in names]


async def batch_get(gateway: Gateway, exchange: Exchange) -> None:
    """POST /entities/batch-get."""
    addresses = await digests_in(exchange, "addresses", "address")
    pieces = _read_many(gateway, list(dict.fromkeys(addresses)))
    with gateway.transfer():
        await spool.answer(gateway, exchange, 200, NDJSON, [NO_STORE], pieces)


async def _read_many(gateway: Gateway, addresses: Sequence[Address]) -> AsyncIterator[bytes]:
    """Lines of what is held, in pieces of some mebibytes: no more is in memory, however large documents are."""
    scale, start = Scale(sys.maxsize, at_once=_AT_ONCE), 0

    def read() -> bytes:
        nonlocal start
        told: list[bytes] = []
        enough = scale.bytes + _PIECE
        while start < len(addresses) and scale.bytes < enough:
            part = addresses[start : start + scale.next(len(addresses) - start)]
            start += len(part)
            held = read_documents(gateway.repository.store, part)
            gateway.monitor.look_for_damage(held.values())
            told.append(lines.held_lines((address, held[address]) for address in part if address in held))
            scale.add(len(part), len(told[-1]))
        return b"".join(told)

    while start < len(addresses):
        yield await gateway.batches.call(read)


async def batch_has(gateway: Gateway, exchange: Exchange) -> None:
    """POST /entities/batch-has."""
    addresses = await digests_in(exchange, "addresses", "address")
    there = await gateway.pool.call(gateway.repository.store.has, addresses)
    exchange.answer_json([each for each in dict.fromkeys(addresses) if each in there])


async def withdraw(gateway: Gateway, exchange: Exchange) -> None:
    """POST /withdrawals: of documents by `addresses`, of files by `files`; or with `notices` made elsewhere."""
    given = await exchange.json(exchange.limits.line * 4)
    known = {"addresses", "files", "case", "reason", "notices", "file_notices"}
    if not isinstance(given, dict) or not given.keys() <= known:
        raise bad_request(f"expected an object with some of {', '.join(sorted(known))}", "body")
    made = [_notices(given, name, exchange.limits.batch) for name in ("notices", "file_notices")]
    named = [_names(given, name, exchange.limits.batch) for name in ("addresses", "files")]
    if not any([*made, *named]):
        raise bad_request("names nothing to withdraw: give addresses or files, and case and reason", "body")
    if any(named) and not all(isinstance(given.get(name), str) for name in ("case", "reason")):
        raise InvalidEntity("case" if not isinstance(given.get("case"), str) else "reason", "missing: one line of text")
    exchange.subject = ",".join([*(each.address for part in made for each in part), *named[0], *named[1]])
    answer = await gateway.jobs.call(_withdraw, gateway, made, named, given.get("case"), given.get("reason"))
    exchange.answer_json({name: [notice._asdict() for notice in notices] for name, notices in answer.items()})


def _withdraw(
    gateway: Gateway, made: list[list[Notice]], named: list[list[str]], case: Any, reason: Any
) -> dict[str, list[Notice]]:
    repository = gateway.repository
    kept: dict[str, list[Notice]] = {"notices": [], "file_notices": []}
    if named[0]:
        kept["notices"] = repository.withdraw(named[0], case=case, reason=reason)
    if named[1]:
        kept["file_notices"] = repository.withdraw_files(named[1], case=case, reason=reason)
    if made[0]:
        repository.store.withdraw(made[0])
        held = repository.store.get([notice.address for notice in made[0]])
        kept["notices"] += [notice for each in made[0] if isinstance(notice := held.get(each.address), Notice)]
    if made[1]:
        repository.files.withdraw(made[1])
        stat = repository.files.stat([notice.address for notice in made[1]])
        kept["file_notices"] += [gone for each in made[1] if isinstance(gone := stat.get(each.address), Notice)]
    gateway.recent.forget()
    gateway.monitor.withdrawn(sum(map(len, kept.values())))
    return kept


def _names(given: dict[str, Any], field: str, most: int) -> list[str]:
    names = given.get(field, [])
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise bad_request("expected a list of SHA-256 digests", field)
    if len(names) > most:
        raise too_large(f"{field} in one request", str(most))
    return [checked_address(each, field) for each in names]


def _notices(given: dict[str, Any], field: str, most: int) -> list[Notice]:
    listed = given.get(field, [])
    if not isinstance(listed, list) or len(listed) > most:
        raise bad_request(f"expected a list of at most {most} notices", field)
    return [read_notice(each, field) for each in listed]


def read_notice(given: Any, field: str) -> Notice:
    """A notice as the gateway writes it. Raises a 400 that names the member which can't be one."""
    members = given if isinstance(given, dict) else {}
    needed = [members.get(name) for name in ("address", "case", "reason", "withdrawn_at")]
    rest = [members.get(name) for name in ("id", "previous")]
    texts = all(isinstance(each, str) for each in needed) and all(isinstance(each, str | None) for each in rest)
    if not texts or not members.keys() <= set(Notice._fields):
        raise bad_request(f"a notice is an object of the texts {', '.join(Notice._fields)}", field)
    notice = Notice(**members)
    checked_address(notice.address, f"{field}.address")
    if notice.previous is not None:
        checked_address(notice.previous, f"{field}.previous")
    try:
        if notice.id is not None:
            check_id(notice.id)
        check_line(notice.case, "case")
        check_line(notice.reason, "reason")
        plain = format_time(parse_time(notice.withdrawn_at, "withdrawn_at"))
    except InvalidEntity as error:
        raise bad_request(error.reason, f"{field}.{error.path}") from None
    return notice._replace(withdrawn_at=plain)
