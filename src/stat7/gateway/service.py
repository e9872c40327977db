"""The gateway about itself: is it well, what is in it, how it is called, and the pages that people look at."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.resources import files as resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stat7 import __version__
from stat7.errors import NotFound
from stat7.gateway.entities import matches_tag
from stat7.gateway.exchange import Exchange
from stat7.gateway.rsgi import Header

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

_KINDS: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_PAGE: Final[list[Header]] = [
    ("content-security-policy", POLICY),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-cache"),
]


async def healthz(gateway: Gateway, exchange: Exchange) -> None:
    """GET /healthz: the process lives."""
    exchange.answer_json({"status": "ok", "version": __version__})


async def readyz(gateway: Gateway, exchange: Exchange) -> None:
    """GET /readyz: whether each part answers, and how soon; 503 unless all that is needed does."""
    found = await gateway.look()
    ready = not gateway.draining and all(found[name]["ok"] for name in ("store", "files"))
    status = "draining" if gateway.draining else "ready" if ready else "not ready"
    exchange.answer_json({"status": status, "parts": found}, 200 if ready else 503)


async def stats(gateway: Gateway, exchange: Exchange) -> None:
    """GET /stats: counted anew when they are older than half a minute."""
    exchange.only()
    exchange.answer_json(await gateway.stats())


async def whoami(gateway: Gateway, exchange: Exchange) -> None:
    """GET /whoami: what the caller may do and, unless that is nothing, what a client must know of the rest."""
    exchange.only()
    caller = exchange.caller
    told = _told(gateway) if caller.scopes else {}
    exchange.answer_json({"name": caller.name, "scopes": sorted(caller.scopes), **told})


def _told(gateway: Gateway) -> dict[str, Any]:
    store, files, limits = gateway.repository.store, gateway.repository.files, gateway.settings.limits
    known = store.capabilities
    return {
        "store": {**asdict(known), "indexed": sorted(known.indexed)},
        "files": {"name": files.name, "durable": files.durable},
        "limits": {name: getattr(limits, name) for name in ("body", "line", "lines", "file", "batch", "page")},
    }


async def count(gateway: Gateway, exchange: Exchange) -> None:
    """GET /count: of documents, right at this moment."""
    exchange.only()
    exchange.answer_json({"entities": await gateway.pool.call(gateway.repository.store.count)})


async def openapi(gateway: Gateway, exchange: Exchange) -> None:
    """GET /openapi.json."""
    exchange.answer_json(gateway.openapi())


async def explorer(gateway: Gateway, exchange: Exchange) -> None:
    """GET /: the explorer."""
    await _page(exchange, "index.html")


async def docs(gateway: Gateway, exchange: Exchange) -> None:
    """GET /docs: the description of the interface, to be read."""
    await _page(exchange, "docs.html")


async def explorer_file(gateway: Gateway, exchange: Exchange) -> None:
    """GET /explorer/{file}: what the pages are made of."""
    await _page(exchange, exchange.params[0])


async def _page(exchange: Exchange, name: str) -> None:
    page = _pages().get(name)
    if page is None:
        raise NotFound(f"/explorer/{name[:80]}")
    asked = exchange.header("if-none-match")
    if asked and matches_tag(asked, page.tag):
        exchange.not_modified(page.headers)
    else:
        exchange.answer(200, page.body, page.kind, page.headers)


class _Page(NamedTuple):
    """A file as it is sent; `tag` tells its bytes from those of other releases."""

    body: bytes
    kind: str
    tag: str

    @property
    def headers(self) -> list[Header]:
        return [*_PAGE, ("etag", self.tag)]


@cache
def _pages() -> dict[str, _Page]:
    """All there is, by name: nothing else can be asked for."""
    found: dict[str, _Page] = {}
    for each in (resources("stat7.gateway") / "explorer").iterdir():
        kind = _KINDS.get(each.name.rpartition(".")[2])
        if kind is not None:
            body = each.read_bytes()
            found[each.name] = _Page(body, kind, f'"{sha256(body).hexdigest()}"')
    return found
