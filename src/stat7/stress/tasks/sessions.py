"""What users of a library do, as the operations of an open loop: they browse by coordinates, read what they have found
or what is popular, look at files, change entities and upload new ones.

Each lane is one user after another. Entities are shared among the lanes: any lane reads any of them, but only the lane
that owns one (its index modulo the number of lanes) changes it, and so knows which version must be current.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

import orjson

from stat7.coordinates import HORIZONS
from stat7.errors import Conflict
from stat7.query import Query
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stress.media import Library, Shelf
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.arrivals import SECOND
from stat7.stress.tasks.catalogue import ROOM, Attached, Catalogue, LookBack, Wrote, Zipf, address_of, attached
from stat7.stress.tasks.paced import Load, Operation
from stat7.stress.workers import Task
from stat7.stress.workload import REALMS

MIX: Final = {"read": 50.0, "browse": 19.0, "view": 20.0, "update": 6.0, "upload": 5.0}
"""How often each kind comes, in percent. An assumption; nine requests in ten read, as in YCSB's workload B."""

EXPONENT: Final = 0.99
"""Of the popularity. YCSB's Zipfian constant (Cooper et al., Benchmarking Cloud Serving Systems with YCSB, 2010);
requests for web pages had 0.64 to 0.83 (Breslau et al., Web Caching and Zipf-like Distributions, 1999)."""

PAGE: Final = 20
"""Entities of a page."""

VISIT: Final = 20
"""Requests after which another user comes, who has not browsed yet."""

FOLLOWED: Final = 0.5
"""The share of reads that follow the page that was browsed last, while it lasts; the others go to what is popular."""

WINDOW: Final = 0.1
"""The width of the range of resonance that is browsed."""

LARGE: Final = 2 * 1024 * 1024
"""Of larger files a range is viewed, of half that size."""


@dataclass(frozen=True, slots=True)
class CachedLocation(Location):
    """A location with a cache of documents in front (the URL of a Redis)."""

    cache: str = ""

    def open(self) -> Repository:
        """Open the repository. Raises ConfigError and Unavailable."""
        from stat7.opening import open as open_urls

        return open_urls(self.store, files=self.files, cache=self.cache or None)


@dataclass(frozen=True, slots=True)
class Modulated:
    """Poisson arrivals whose rate switches between calm and bursts, of random (exponential) length with these means in
    seconds: a Markov-modulated Poisson process of two states. In a burst the rate is `factor` times as high, in the
    long run it is `rate` per second. All lanes burst together, at times that `seed` draws.
    """

    rate: float
    factor: float = 3.0
    calm: float = 4.0
    burst: float = 1.0
    seed: int = 7

    def times(self, random: Random, seconds: float, lane: int, lanes: int) -> array[int]:
        """Each lane draws its own requests, within the phases that all share."""
        due = array("q")
        for begin, end, rate in self._phases(seconds):
            at = begin + random.expovariate(rate / lanes)
            while at < end:
                due.append(int(at * SECOND))
                at += random.expovariate(rate / lanes)
        return due

    def expected(self, seconds: float) -> float:
        """By the phases as they were drawn."""
        return sum((end - begin) * rate for begin, end, rate in self._phases(seconds))

    def _phases(self, seconds: float) -> list[tuple[float, float, float]]:
        random, at, bursting = Random(self.seed), 0.0, False
        quiet = self.rate * (self.calm + self.burst) / (self.calm + self.factor * self.burst)
        phases = []
        while at < seconds:
            end = at + random.expovariate(1 / (self.burst if bursting else self.calm))
            phases.append((at, min(end, seconds), quiet * self.factor if bursting else quiet))
            at, bursting = end, not bursting
        return phases


@dataclass(slots=True)
class User:
    """What a lane remembers. `current` holds, by index, number and address of the last version that it put of an entity
    it owns; `pending` is the index of an update that wasn't answered yet, `unsure` those that never were.
    """

    catalogue: Catalogue
    shelf: Shelf
    popular: Zipf
    lane: int
    lanes: int
    random: Random
    page: list[str] = field(default_factory=list)
    left: int = VISIT
    current: dict[int, tuple[int, str]] = field(default_factory=dict)
    pending: int | None = None
    unsure: set[int] = field(default_factory=set)

    def step(self) -> None:
        """One more request of this user, or the first of the next one."""
        self.left -= 1
        if not self.left:
            self.page, self.left = [], VISIT

    def version(self, index: int) -> tuple[int, str]:
        """Number and address of the current version of an entity that this lane owns."""
        held = self.current.get(index)
        if held is None:
            held = self.current[index] = (0, address_of(self.catalogue.first(index)))
        return held

    def owns(self, index: int) -> bool:
        """Whether this lane alone changes it."""
        return index % self.lanes == self.lane and index not in self.unsure and index != self.pending


class Wanted(NamedTuple):
    """What is to be read: an address that was found, or the current version of an id (which must be `address`, if it's
    known).
    """

    id: str | None
    address: str | None


class Read:
    """Reads of one entity: of a page, or of what is popular, by id."""

    def __init__(self, user: User, repository: Repository) -> None:
        self._user = user
        self._repository = repository

    def draw(self) -> Wanted:
        """The next of the page, or a popular one."""
        user = self._user
        user.step()
        if user.page and user.random.random() < FOLLOWED:
            return Wanted(None, user.page.pop())
        index = user.popular.draw(user.random)
        return Wanted(user.catalogue.workload.id(index), user.version(index)[1] if user.owns(index) else None)

    def ask(self, given: Wanted) -> tuple[str, bytes]:
        """Look up the head, unless the address is known; then the document."""
        address = given.address if given.id is None else self._repository.head(given.id)
        assert address is not None
        return address, self._repository.get_document(address)

    def check(self, given: Wanted, answer: tuple[str, bytes]) -> str | None:
        """Hash it; whose it is; whether it is the version that this lane had acknowledged."""
        address, document = answer
        if address_of(document) != address:
            return f"the bytes returned for {address} don't hash to it"
        if given.id is not None and orjson.loads(document)["id"] != given.id:
            return f"asked for {given.id}, got another entity: {address}"
        if given.address is not None and address != given.address:
            return f"the head of {given.id} is {address}, the version acknowledged last is {given.address}"
        return None

    def told(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}


class Browse:
    """A page of what is current in a realm, at a horizon, in a window of resonance; with its documents."""

    def __init__(self, user: User, repository: Repository) -> None:
        self._user = user
        self._repository = repository

    def draw(self) -> Query:
        """Realms as often as they come, horizons and windows uniformly."""
        random = self._user.random
        self._user.step()
        low = round(random.uniform(-1, 1 - WINDOW), 4)
        return Query(
            realm=random.choice(REALMS), horizon=random.choice(HORIZONS), resonance=(low, round(low + WINDOW, 4))
        )

    def ask(self, given: Query) -> dict[str, bytes | Notice]:
        """Find a page, then read it."""
        page = self._repository.find_page(given, limit=PAGE)
        return self._repository.get_documents([match.address for match in page.items])

    def check(self, given: Query, answer: Mapping[str, bytes | Notice]) -> str | None:
        """Hash every document, and look whether it is what was asked for."""
        self._user.page = list(answer)
        wanted = given.as_dict()
        for address, document in answer.items():
            if not isinstance(document, bytes) or address_of(document) != address:
                return f"the bytes returned for {address} don't hash to it"
            if not _lies_in(orjson.loads(document)["coordinates"], wanted):
                return f"{address} was found, but doesn't lie in {wanted}"
        return None

    def told(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}


def _lies_in(coordinates: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    low, _, high = wanted["resonance"].partition("..")
    inside = float(low or -1) <= coordinates["resonance"] <= float(high or 1)
    return inside and (coordinates["realm"], coordinates["horizon"]) == (wanted["realm"], wanted["horizon"])


class Look(NamedTuple):
    """A file to be viewed, from start to end; all of it if `end` is None."""

    file: Attached
    start: int
    end: int | None


class View:
    """Views of the files of popular entities: whole or, of large ones, in part."""

    def __init__(self, user: User, repository: Repository, popular: Zipf) -> None:
        self._user = user
        self._repository = repository
        self._popular = popular

    def draw(self) -> Look:
        """A file, and which part of it."""
        user = self._user
        user.step()
        file = user.catalogue.files[self._popular.draw(user.random)]
        if file.size <= LARGE:
            return Look(file, 0, None)
        start = user.random.randint(0, file.size - LARGE // 2)
        return Look(file, start, start + LARGE // 2)

    def ask(self, given: Look) -> bytes:
        """All of its bytes."""
        return b"".join(self._repository.open_file(given.file.sha256, given.start, given.end))

    def check(self, given: Look, answer: bytes) -> str | None:
        """Hash a whole file; compare a part with what was put."""
        file = given.file
        if given.end is None:
            good = address_of(answer) == file.sha256
        else:
            good = answer == self._user.shelf.part(file.number, file.group, given.start, given.end)
        return None if good else f"the bytes returned of file {file.sha256} aren't those that were put"

    def told(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}


class Change(NamedTuple):
    """A version to be put of an entity (its index)."""

    entity: int
    number: int
    document: bytes
    address: str


class Update:
    """New versions of popular entities that the lane owns."""

    def __init__(self, user: User, repository: Repository) -> None:
        self._user = user
        self._repository = repository
        self._indexes = array("q")
        self._addresses = bytearray()

    def draw(self) -> Change:
        """The version after the current one, of an entity near a popular one."""
        user = self._user
        user.step()
        if user.pending is not None:
            user.unsure.add(user.pending)
        index = self._drawn()
        number, previous = user.version(index)
        document = user.catalogue.later(index, number + 1, previous)
        user.pending = index
        return Change(index, number + 1, document, address_of(document))

    def _drawn(self) -> int:
        user = self._user
        exhausted = len(user.unsure) >= user.catalogue.entities // user.lanes
        while True:
            index = user.popular.draw(user.random)
            index += user.lane - index % user.lanes
            if index < user.catalogue.entities and (exhausted or index not in user.unsure):
                return index

    def ask(self, given: Change) -> str | Conflict:
        """Put it: stored durably, and the head moved."""
        try:
            return self._repository.put(given.document)
        except Conflict as error:
            return error

    def check(self, given: Change, answer: str | Conflict) -> str | None:
        """Note that it was acknowledged; the answer must be its address. Nobody else moves this head: no conflict can
        be.
        """
        if isinstance(answer, Conflict):
            return f"the version acknowledged last isn't the current one any more: {answer}"
        self._user.pending = None
        self._user.current[given.entity] = (given.number, given.address)
        self._indexes.append(given.entity)
        self._addresses += bytes.fromhex(given.address)
        return None if answer == given.address else f"put answered {answer} for {given.address}"

    def told(self) -> Mapping[str, Any]:
        """Indexes and digests acknowledged since the last call, and those that weren't answered."""
        user = self._user
        unsure = user.unsure | ({user.pending} if user.pending is not None else set())
        told = {
            "updates": self._indexes.tobytes(),
            "addresses": bytes(self._addresses),
            "unsure": array("q", unsure).tobytes(),
        }
        self._indexes, self._addresses = array("q"), bytearray()
        return told


class New(NamedTuple):
    """A file to be uploaded, and the entity (its index) that names it."""

    entity: int
    data: bytes
    sha256: str
    document: bytes
    address: str


class Upload:
    """New files, each with an entity that names it."""

    def __init__(self, user: User, repository: Repository) -> None:
        self._user = user
        self._repository = repository
        self._drawn = 0
        self._indexes = array("q")
        self._digests = bytearray()

    def draw(self) -> New:
        """A file that nobody has, and its entity."""
        user = self._user
        user.step()
        index = user.catalogue.entities + user.lane * ROOM + self._drawn
        self._drawn += 1
        media = user.shelf.file(index)
        file = attached(media, index)
        document = user.catalogue.first(index, file)
        return New(index, media.data, file.sha256, document, address_of(document))

    def ask(self, given: New) -> tuple[str, str]:
        """First the file, then the entity."""
        stored = self._repository.put_file(given.data)
        return stored.sha256, self._repository.put(given.document)

    def check(self, given: New, answer: tuple[str, str]) -> str | None:
        """Note that both were acknowledged."""
        self._indexes.append(given.entity)
        self._digests += bytes.fromhex(given.address + given.sha256)
        return None if answer == (given.sha256, given.address) else f"put answered {answer} for {given.sha256}"

    def told(self) -> Mapping[str, Any]:
        """Indexes and digests acknowledged since the last call, and how many were drawn in all."""
        told = {"uploads": self._indexes.tobytes(), "uploaded": bytes(self._digests), "drawn": self._drawn}
        self._indexes, self._digests = array("q"), bytearray()
        return told


class Idle:
    """An operation on a store that does nothing: all that the harness does itself is done."""

    def __init__(self, operation: Operation, answer: Callable[[Any], Any]) -> None:
        self.draw = operation.draw
        self.ask = answer
        self._check = operation.check

    def check(self, given: Any, answer: Any) -> str | None:
        """Check the answer, which needn't be the right one."""
        self._check(given, answer)
        return None

    def told(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Sessions(Load):
    """The requests of users, on `lanes` lanes in all. `bare` is the same store without a cache: where what was
    acknowledged is looked for in the end. `heard` gets what lanes told, when that is done.
    """

    location: Location
    bare: Location
    catalogue: Catalogue
    library: Library
    lanes: int
    heard: list[Wrote] = field(default_factory=list, compare=False)

    @property
    def weights(self) -> Mapping[str, float]:
        """The mix."""
        return MIX

    def prepare(self, subject: Subject, stack: ExitStack, lanes: Sequence[int]) -> list[Mapping[str, Operation]]:
        """Open the store once for all lanes of the worker."""
        repository = stack.enter_context(subject.open(self.location))
        shelf, entities, files = self._shared()
        return [self._operations(User(*self._user(shelf, entities, lane)), repository, files) for lane in lanes]

    def idle(self, lane: int) -> Mapping[str, Operation]:
        """Everything is drawn and checked all the same."""
        shelf, entities, files = self._shared()
        user = User(*self._user(shelf, entities, lane))
        document = self.catalogue.first(0)
        address, page = address_of(document), {}
        for index in range(min(PAGE, self.catalogue.entities)):
            page[address_of(self.catalogue.first(index))] = self.catalogue.first(index)
        picture = shelf.file(0).data
        answers: dict[str, Callable[[Any], Any]] = {
            "read": lambda given: (address, document),
            "browse": lambda given: page,
            "view": lambda given: picture,
            "update": lambda given: given.address,
            "upload": lambda given: (given.sha256, given.address),
        }
        return {kind: Idle(each, answers[kind]) for kind, each in self._operations(user, None, files).items()}

    def read_back(self, told: Sequence[tuple[int, Mapping[str, Mapping[str, Any]]]]) -> Task:
        """Look for all of it."""
        self.heard.extend(wrote(told))
        return LookBack(self.bare, self.catalogue, tuple(self.heard))

    def _shared(self) -> tuple[Shelf, Zipf, Zipf]:
        seed, catalogue = self.catalogue.workload.seed, self.catalogue
        return (
            self.library.open(),
            Zipf(catalogue.entities, EXPONENT, seed),
            Zipf(len(catalogue.files), EXPONENT, seed + 1),
        )

    def _user(self, shelf: Shelf, entities: Zipf, lane: int) -> tuple[Any, ...]:
        random = Random(self.catalogue.workload.seed * 1_000_033 + lane)
        return self.catalogue, shelf, entities, lane, self.lanes, random

    def _operations(self, user: User, repository: Any, files: Zipf) -> dict[str, Operation]:
        return {
            "read": Read(user, repository),
            "browse": Browse(user, repository),
            "view": View(user, repository, files),
            "update": Update(user, repository),
            "upload": Upload(user, repository),
        }


def wrote(told: Sequence[tuple[int, Mapping[str, Mapping[str, Any]]]]) -> tuple[Wrote, ...]:
    """What all lanes had acknowledged, in the order in which each of them had."""
    return tuple(
        Wrote(
            lane,
            *(by_kind["update"][name] for name in ("updates", "addresses", "unsure")),
            *(by_kind["upload"][name] for name in ("uploads", "uploaded", "drawn")),
        )
        for lane, by_kind in told
    )
