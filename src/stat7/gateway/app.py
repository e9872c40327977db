"""The gateway as an application of its server: what happens to every request, in order.

    route        404, 405
    host         421, where strangers may read on loopback: a page elsewhere must not read by a name of its own
    caller       401 for a key that isn't valid
    scope        401 or 403
    rate         429
    capacity     503
    handler      the answer, or an error as problem details

Then it's counted and, if it changed something or was refused, noted in the audit log.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

from stat7.address import Address
from stat7.errors import Corrupt, Stat7Error
from stat7.gateway import entities, spool
from stat7.gateway.access import ADMIN, NOBODY, OPEN, READ, REFRESH_SECONDS, WRITE, Access, Caller
from stat7.gateway.audit import Audit
from stat7.gateway.exchange import Disconnected, Exchange
from stat7.gateway.gather import Coalesced, Direct, Gather, Pool, Reads
from stat7.gateway.monitor import Gauges, Monitor, Watched
from stat7.gateway.openapi import describe
from stat7.gateway.problems import (
    MEDIA_TYPE,
    Problem,
    forbidden,
    limited,
    overloaded,
    problem_for,
    unauthorized,
)  # fmt: skip
from stat7.gateway.rates import LocalRates, SharedRates
from stat7.gateway.routes import ROUTES, Route, Table
from stat7.gateway.rsgi import Header, Scope, Wire
from stat7.gateway.settings import Rate, Settings
from stat7.operations.digest import digest as take_digest
from stat7.operations.stats import overview
from stat7.repository import Repository

Found = TypeVar("Found")

_log = logging.getLogger("stat7.gateway")

_NOBODY: Final = "0" * 64
_CHANGING: Final = (WRITE, ADMIN)
_FORWARDED: Final = ("x-forwarded-for", "forwarded", "via")

RECENT_SECONDS: Final = 1.0
"""An address that was found to be stored counts as stored for so long where no bytes are sent: for a 304."""

_MOST_RECENT: Final = 50_000
_STATS_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 1.0
_JOB_SECONDS: Final = 24 * 3600.0
_DRAIN_SECONDS: Final = 2.0
_LATE_SECONDS: Final = 0.5


class Recent:
    """Addresses that were seen to be stored within the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0
        self._now: set[Address] = set()

    def has(self, address: Address, now: float) -> bool:
        """Whether it was; `now` by time.perf_counter."""
        if now >= self._until or len(self._now) > _MOST_RECENT:
            # All at once: sooner forgotten than asked for is no harm.
            self._now, self._until = set(), now + self._seconds
            return False
        return address in self._now

    def add(self, address: Address) -> None:
        """It was seen."""
        self._now.add(address)

    def forget(self) -> None:
        """Something was withdrawn."""
        self._now = set()


class Gateway:
    """One repository over HTTP. `rates` are shared with others, or of this process; `pings` tell whether what is not
    needed but used (a cache, say) answers: they raise OSError or Stat7Error.
    """

    def __init__(
        self,
        repository: Repository,
        access: Access,
        settings: Settings,
        monitor: Monitor,
        audit: Audit,
        *,
        folders: Mapping[str, Path] | None = None,
        routes: tuple[Route, ...] = ROUTES,
    ) -> None:
        limits = settings.limits
        self.repository = repository
        self.access = access
        self.settings = settings
        self.monitor = monitor
        self.audit = audit
        self.pool = Pool(limits.calls, limits.query)
        # Threads that read many documents from a store in this process only wait for one another, at every row.
        readers = 1 if repository.store.capabilities.embedded else limits.calls
        self.batches = Pool(readers, limits.query, "batches", self.pool.most)
        self.transfers = Pool(limits.transfers, _JOB_SECONDS, "transfers")
        self.jobs = Pool(4, _JOB_SECONDS, "jobs")
        self.aside = Pool(4, limits.query, "aside")
        """For what must be known however many calls of the store wait: keys, and whether the parts answer."""
        pools = (self.pool, self.batches, self.transfers, self.jobs, self.aside)
        self._pools = {pool.name: pool for pool in pools}
        self.rates: LocalRates | SharedRates = LocalRates()
        self._unknown = LocalRates()
        self.pings: dict[str, Callable[[], object]] = {}
        self.spooled: dict[str, int] = {}
        """Files of answers that are being sent, to be removed at the end if not before, and their bytes."""
        self.draining = False
        self.scrub_interval = 0.0
        self.scrub_completed = 0.0
        self.scrub_wanted = time.time()
        store = repository.store
        self.documents = self._reads(partial(entities.read_documents, store))
        self.there = self._reads(lambda asked: dict.fromkeys(store.has(asked), True))
        self.recent = Recent(RECENT_SECONDS)
        public = "public" if READ in access.strangers else "private"
        self.caching: Header = ("cache-control", f"{public}, max-age={settings.cache_max_age}")
        self._table = Table(routes)
        self._routes = routes
        self._ids = count(1)
        self._id_prefix = os.urandom(6).hex()
        self._requests = 0
        self._transfers = 0
        self._up: dict[str, float] = {}
        self.look = Coalesced(self._look, _LOOK_SECONDS).get
        self.stats = Coalesced(lambda: self.pool.call(overview, repository), _STATS_SECONDS).get
        self.digest = Coalesced(lambda: self.jobs.call(take_digest, repository), 0.0).get
        self._refresher: asyncio.Task[None] | None = None
        self._strangers_rates = {
            kind: Rate(rate.per_second * settings.strangers_share, max(1.0, rate.burst * settings.strangers_share))
            for kind, rate in settings.rates.items()
        }
        monitor.expect((route.method, route.path) for route in routes)
        monitor.watch(Watched(repository, folders or {}, self._gauges))

    def _reads(self, ask: Callable[[Sequence[Address]], Mapping[Address, Found]]) -> Reads[Address, Found]:
        return Direct(ask) if self.repository.store.capabilities.embedded else Gather(self.pool, ask)

    async def __rsgi__(self, scope: Scope, wire: Wire) -> None:
        """One request, from its routing to its answer."""
        id = f"{self._id_prefix}{next(self._ids):06x}"
        exchange = Exchange(scope, wire, id, self.settings.limits)
        self._requests += 1
        try:
            await self._handle(exchange)
        except Disconnected:
            exchange.status = exchange.status or 499
        except Exception as error:
            self._refuse(exchange, error)
        finally:
            self._requests -= 1
            self._finish(exchange)

    async def _handle(self, exchange: Exchange) -> None:
        methods, exchange.params = self._table.find(exchange.path)
        route = exchange.route = methods.get(exchange.method)
        if route is None:
            raise _no_route(exchange, methods)
        if self.settings.hosts is not None:
            self._check_host(exchange)
        caller = self._identify(exchange, route)
        if route.scope in _CHANGING:
            _check_origin(exchange)
        if route.rate:
            kind = route.rate
            rate = (self._strangers_rates if caller.key is None else self.settings.rates)[kind]
            wait = self.rates.take_now(caller.id, kind, rate)
            if wait is None or wait > 0:
                await self._wait(caller, kind, rate, wait)
        if route.scope != OPEN:
            self._make_room()
        await route.handler(self, exchange)

    def _identify(self, exchange: Exchange, route: Route) -> Caller:
        """Who asks and may. Raises 401 and 403, and a 429 for an address that was told 401 too often."""
        try:
            caller = exchange.caller = self.access.identify(exchange.headers) or self._stranger(exchange)
            if route.scope != OPEN and route.scope not in caller.scopes:
                raise _not_allowed(caller, route)
        except Problem as problem:
            if problem.status == 401:
                rate, address = self.settings.rates["keys"], _network(self._address(exchange))
                _check_wait(self._unknown.take_now(address, "keys", rate) or 0.0, "keys", rate)
            raise
        return caller

    def _make_room(self) -> None:
        """Raises a 503 where this request is one too many, or the gateway is about to end."""
        if self.draining:
            problem = overloaded("this gateway is about to end")
            problem.headers["Connection"] = "close"
            raise problem
        if self._requests > self.settings.limits.requests:
            raise overloaded(f"{self._requests} requests are under way")

    def _refuse(self, exchange: Exchange, error: Exception) -> None:
        """Answer with a problem, unless the answer has begun: then only breaking off tells that it isn't whole."""
        problem = problem_for(error, exchange.id)
        if isinstance(error, Corrupt):
            self.monitor.corrupt()
            _log.error("request %s: %s", exchange.id, error)
        elif problem.status in (408, 413, 429, 503, 504):
            self.monitor.refused(problem.kind)
        if exchange.status:
            self.monitor.broke_off()
            _log.error("request %s broke off: %s", exchange.id, problem.detail)
            raise error
        if problem.status in (408, 413):
            problem.headers["Connection"] = "close"
        problem.headers["Cache-Control"] = "no-store"
        headers = [(name.lower(), text) for name, text in problem.headers.items()]
        exchange.answer(problem.status, problem.body(exchange.id), MEDIA_TYPE, headers)

    def _finish(self, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.begun
        route = exchange.route
        self.monitor.took("none" if route is None else route.path, exchange.method, exchange.status, seconds)
        if exchange.received:
            self.monitor.received(exchange.received)
        if self.audit.concerns(exchange):
            if exchange.caller is NOBODY:
                exchange.caller = self._stranger(exchange)
            self.audit.note(exchange, seconds)

    def _check_host(self, exchange: Exchange) -> None:
        """Against rebinding: a name of somebody else's that was made to lead here."""
        host = exchange.scope.authority or exchange.header("host")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        assert self.settings.hosts is not None
        if name.strip("[]").lower() not in self.settings.hosts:
            detail = (
                f"this gateway doesn't go by the name {ascii(name)[:80]}; it is called {_listed(self.settings.hosts)}"
            )
            raise Problem(421, "wrong-host", "The name is not one of this gateway's", detail)

    def _stranger(self, exchange: Exchange) -> Caller:
        scopes = self.access.strangers
        if scopes and not self.settings.public_read and any(name in exchange.headers for name in _FORWARDED):
            # On loopback, and yet from elsewhere: a proxy handed it on, and nobody opened reading to everybody.
            scopes = frozenset()
        return Caller(_network(self._address(exchange)), "", scopes)

    def _address(self, exchange: Exchange) -> str:
        """The client's address; what a proxy says of it is believed only of a trusted one."""
        peer = exchange.scope.client.rpartition(":")[0].strip("[]") or "unknown"
        if not self.settings.trusted:
            return peer
        hops = [hop.strip() for hop in ",".join(exchange.headers.get_all("x-forwarded-for")).split(",")]
        while hops and _is_within(peer, self.settings.trusted):
            hop = hops.pop()
            if not _is_address(hop):
                break
            peer = hop
        return peer

    async def _wait(self, caller: Caller, kind: str, rate: Rate, wait: float | None) -> None:
        """Ask the gateways' common bucket, where that isn't known; raises a 429 with the seconds to wait."""
        if wait is None:
            assert isinstance(self.rates, SharedRates)
            wait = await self.rates.take(caller.id, kind, rate)
        _check_wait(wait, kind, rate)

    # What handlers ask of it

    @contextmanager
    def transfer(self) -> Iterator[None]:
        """A place among the uploads and streams; 503 if there is none."""
        if self._transfers >= self.settings.limits.transfers:
            raise overloaded(f"{self._transfers} uploads and downloads are under way")
        self._transfers += 1
        try:
            yield
        finally:
            self._transfers -= 1

    def openapi(self) -> dict[str, Any]:
        """The description of the interface."""
        return describe(self._routes)

    # The whole

    def start(self) -> None:
        """Begin to read the keys again and again; from the event loop that serves."""
        self._refresher = asyncio.get_running_loop().create_task(self._refresh_keys())

    async def _refresh_keys(self) -> None:
        """Read the keys again and again; while that fails those that are known count, for a few seconds."""
        while True:
            with suppress(Stat7Error, Problem, OSError):
                await self.aside.call(self.access.ring.refresh)
            await asyncio.sleep(REFRESH_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Take no more requests, and wait until none is under way, so long at most.

        For a moment those that come late are still told so, rather than cut off.
        """
        self.draining = True
        until = time.monotonic() + seconds
        await asyncio.sleep(_LATE_SECONDS)
        while self._requests and time.monotonic() < until:
            await asyncio.sleep(0.02)

    async def _look(self) -> dict[str, dict[str, Any]]:
        """Ask every part whether it answers: by its name `ok`, `seconds`, and the name of the problem."""
        store, files = self.repository.store, self.repository.files
        asks: dict[str, Callable[[], object]] = {
            "store": lambda: store.has((_NOBODY,)),
            "files": lambda: files.stat((_NOBODY,)),
            **self.pings,
        }
        found = {name: await self._ask(ask) for name, ask in asks.items()}
        self._up.update({name: float(part["ok"]) for name, part in found.items()})
        return found

    async def _ask(self, ask: Callable[[], object]) -> dict[str, Any]:
        begun = time.perf_counter()
        problem: Exception | None = None
        try:
            await self.aside.call(ask)
        except (Stat7Error, OSError, Problem) as error:
            problem = error
        told = {} if problem is None else {"problem": type(problem).__name__}
        return {"ok": problem is None, "seconds": round(time.perf_counter() - begun, 6), **told}

    async def stop(self) -> None:
        """Wait for a moment for what is under way, and close what is open."""
        await self.drain(_DRAIN_SECONDS)
        if self._refresher is not None:
            self._refresher.cancel()
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def close(self) -> None:
        """Wait for the calls that run, and close what is open."""
        for pool in self._pools.values():
            pool.close()
        for path in self.spooled:
            spool.remove(path)
        self.repository.close()
        self.audit.close()

    def _gauges(self) -> Gauges:
        limits, pools = self.settings.limits, self._pools
        since_scrub = time.time() - (self.scrub_completed or self.scrub_wanted)
        return {
            "stat7_http_requests_in_flight": self._requests,
            "stat7_http_requests_limit": limits.requests,
            "stat7_http_transfers_in_flight": self._transfers,
            "stat7_http_transfers_limit": limits.transfers,
            "stat7_pool_busy": {name: pool.busy for name, pool in pools.items()},
            "stat7_pool_threads": {name: pool.threads for name, pool in pools.items()},
            "stat7_pool_limit": {name: pool.most for name, pool in pools.items()},
            # Before the first look: what had to be opened is there, what need not be isn't known to be.
            "stat7_part_up": {"store": 1.0, "files": 1.0, **dict.fromkeys(self.pings, 0.0), **self._up},
            "stat7_keys": len(self.access.ring),
            "stat7_keys_age_seconds": min(self.access.ring.age, 1e9),
            "stat7_rate_limits_local": float(isinstance(self.rates, SharedRates) and self.rates.local),
            "stat7_scrub_completed_timestamp_seconds": self.scrub_completed,
            "stat7_scrub_age_seconds": since_scrub if self.scrub_interval else 0.0,
            "stat7_scrub_interval_seconds": self.scrub_interval,
        }


def _no_route(exchange: Exchange, methods: dict[str, Route]) -> Problem:
    if not methods:
        detail = f"{ascii(exchange.path)[:80]}; /docs lists what there is"
        return Problem(404, "no-route", "There is no such path", detail)
    allowed = ", ".join(sorted({*methods}))
    detail = f"{exchange.method[:20]} is not served here; there are {allowed}"
    return Problem(405, "no-method", "Not with this method", detail, headers={"Allow": allowed})


def _not_allowed(caller: Caller, route: Route) -> Problem:
    what = f"{route.method} {route.path} needs the scope {route.scope}"
    if caller.key is None:
        return unauthorized(f"{what}: send a key, as Authorization: Bearer KEY")
    return forbidden(f"{what}, which the key {caller.key.id} doesn't have")


def _check_wait(wait: float, kind: str, rate: Rate) -> None:
    """Raises a 429 unless there is nothing to wait for."""
    if wait > 0:
        window = max(1, round(rate.burst / rate.per_second))
        problem = limited(wait, f"{rate.per_second:g} requests a second of the kind {kind}")
        problem.headers["RateLimit-Policy"] = f'"{kind}";q={max(1, round(rate.burst))};w={window}'
        problem.headers["RateLimit"] = f'"{kind}";r=0;t={problem.headers["Retry-After"]}'
        raise problem


def _check_origin(exchange: Exchange) -> None:
    """Against pages elsewhere that make a browser write with a key it keeps. Browsers name the page's origin; nobody
    else does.
    """
    origin = exchange.headers.get("origin")
    if origin is not None and origin.rpartition("//")[2] != (exchange.scope.authority or exchange.header("host")):
        raise forbidden(f"a page of {ascii(origin)[:80]} may not write here")


def _listed(hosts: frozenset[str]) -> str:
    return ", ".join(sorted(hosts))


def _network(address: str) -> str:
    """Whose address it is: of IPv6, one customer has a whole /64."""
    if ":" not in address or not _is_address(address):
        return address
    parsed = ip_address(address)
    assert isinstance(parsed, IPv6Address)
    return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_within(address: str, networks: Sequence[Any]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)
