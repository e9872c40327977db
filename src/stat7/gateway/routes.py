"""Every route in one table: what serves it, which scope it takes, and by which rate it is limited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from stat7.gateway import entities, files, finding, service, whole
from stat7.gateway.access import ADMIN, OPEN, READ, WRITE
from stat7.gateway.exchange import Exchange

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

Handler: TypeAlias = "Callable[[Gateway, Exchange], Awaitable[None]]"


class Route(NamedTuple):
    """A method and a path, of which a last part in braces is a parameter; `scope` and `rate` as in access and settings
    (`rate` "" for none). GET answers HEAD, too.
    """

    method: str
    path: str
    scope: str
    rate: str
    handler: Handler


ROUTES: Final = (
    Route("GET", "/", OPEN, "", service.explorer),
    Route("GET", "/explorer/{file}", OPEN, "", service.explorer_file),
    Route("GET", "/healthz", OPEN, "", service.healthz),
    Route("GET", "/readyz", OPEN, "", service.readyz),
    Route("GET", "/openapi.json", OPEN, "", service.openapi),
    Route("GET", "/docs", OPEN, "", service.docs),
    Route("GET", "/whoami", OPEN, "read", service.whoami),
    Route("GET", "/entities/{address}", READ, "read", entities.get_entity),
    Route("PUT", "/entities/{address}", WRITE, "write", entities.put_entity),
    Route("POST", "/entities", WRITE, "write", entities.post_entities),
    Route("POST", "/entities/batch-get", READ, "bulk", entities.batch_get),
    Route("POST", "/entities/batch-has", READ, "bulk", entities.batch_has),
    Route("GET", "/entities", READ, "find", finding.find),
    Route("GET", "/explain", READ, "find", finding.explain),
    Route("GET", "/head", READ, "read", finding.head),
    Route("GET", "/history", READ, "find", finding.history),
    Route("GET", "/neighbours", READ, "find", finding.neighbours),
    Route("POST", "/heads", READ, "bulk", finding.heads),
    Route("POST", "/heads/moves", WRITE, "write", finding.move_heads),
    Route("GET", "/files/{sha256}", READ, "read", files.get_file),
    Route("PUT", "/files/{sha256}", WRITE, "write", files.put_file),
    Route("POST", "/files", WRITE, "write", files.post_file),
    Route("POST", "/files/stat", READ, "bulk", files.stat_files),
    Route("POST", "/files/named", READ, "bulk", whole.named_files),
    Route("POST", "/files/renew", WRITE, "write", files.renew_files),
    Route("POST", "/files/delete", ADMIN, "admin", whole.delete_files),
    Route("POST", "/files/sweep", ADMIN, "admin", whole.sweep_files),
    Route("POST", "/withdrawals", ADMIN, "admin", entities.withdraw),
    Route("GET", "/stats", READ, "find", service.stats),
    Route("GET", "/count", READ, "find", service.count),
    Route("GET", "/scan", READ, "bulk", whole.scan),
    Route("GET", "/scan-heads", READ, "bulk", whole.scan_heads),
    Route("GET", "/scan-notices", READ, "bulk", whole.scan_notices),
    Route("GET", "/scan-files", READ, "bulk", whole.scan_files),
    Route("GET", "/scan-file-notices", READ, "bulk", whole.scan_file_notices),
    Route("GET", "/digest", READ, "admin", whole.digest),
    Route("GET", "/marks", READ, "bulk", whole.marks),
    Route("POST", "/marks", WRITE, "write", whole.set_mark),
    Route("GET", "/check", ADMIN, "bulk", whole.check),
    Route("POST", "/compact", ADMIN, "admin", whole.compact),
    Route("POST", "/discards", ADMIN, "admin", whole.discard),
    Route("POST", "/repairs/entities", ADMIN, "admin", whole.repair_entities),
    Route("PUT", "/repairs/files/{sha256}", ADMIN, "admin", whole.repair_file),
)


class Table:
    """Finds the route of a request. Raises ValueError for a table in which a route has no scope or rate of its own."""

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._below: dict[str, dict[str, Route]] = {}
        for route in routes:
            if route.scope not in (OPEN, READ, WRITE, ADMIN):
                raise ValueError(f"{route.method} {route.path} has no scope")
            folder, brace, _ = route.path.partition("{")
            methods = (self._below if brace else self._exact).setdefault(folder, {})
            methods[route.method] = route
            if route.method == "GET":
                methods["HEAD"] = route

    def find(self, path: str) -> tuple[dict[str, Route], tuple[str, ...]]:
        """The routes of a path by method, none if there is no such path, and the parts of the path they name."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact, ()
        folder, slash, name = path.rpartition("/")
        below = self._below.get(folder + slash)
        return (below, (name,)) if below is not None and name else ({}, ())
