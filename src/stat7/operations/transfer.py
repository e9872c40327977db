"""What the stages of a copy share: what is counted and reported, and how one batch of each thing is brought over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Event, Lock
from typing import Any, Final, NamedTuple, TypeAlias

from stat7.address import Address
from stat7.errors import Corrupt, Gone, InvalidEntity, NotFound, Stat7Error
from stat7.files.base import StoredFile
from stat7.operations.digest import Digests, Named, named_files
from stat7.operations.pipeline import pipelined
from stat7.putting import look_at_files, naming_lost_files
from stat7.record import Notice, Record, read_canonical
from stat7.repository import Repository
from stat7.stored import get_each
from stat7.stores.base import HeadMove, Outcome


class CopyProblem(NamedTuple):
    """Something that was left out: its kind (document, file, head), its address, SHA-256 or id, and why."""

    kind: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.detail}"


FILES_AT_ONCE: Final = 8
"""Files copied at the same time: what waits for a disk or a server leaves the others room."""

OnProblem: TypeAlias = Callable[[CopyProblem], None]


@dataclass(slots=True)
class CopyResult:
    """Counts of what came, what was there, what the destination keeps withdrawn, and what was left out and reported.

    `source` and `target` are the digests of both, if they were asked for.
    """

    notices_new: int = 0
    notices_existed: int = 0
    files_new: int = 0
    files_existed: int = 0
    files_withdrawn: int = 0
    documents_new: int = 0
    documents_existed: int = 0
    documents_withdrawn: int = 0
    heads_new: int = 0
    heads_existed: int = 0
    heads_diverged: int = 0
    problems: int = 0
    source: Digests | None = None
    target: Digests | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing was left out and, if digests were asked for, they agree."""
        return self.problems == 0 and self.source == self.target

    def as_dict(self) -> dict[str, Any]:
        """The counts and, if they were asked for, the combined digests and whether all digests agree (`verified`)."""
        counts = {name: value for name, value in asdict(self).items() if isinstance(value, int)}
        if self.source is None or self.target is None:
            return counts
        digests = {"source_digest": self.source.combined, "target_digest": self.target.combined}
        return counts | digests | {"verified": self.source == self.target}


class Transfer:
    """Brings batches of notices, files and documents from `source` to `target`; safe to use from many threads.

    `reread`: whether the source's digest can't be taken from what was read, as some of it is damaged or has changed.
    """

    def __init__(self, source: Repository, target: Repository, on_problem: OnProblem) -> None:
        self.source = source
        self.target = target
        self.result = CopyResult()
        self.reread = False
        self._on_problem = on_problem
        self._lock = Lock()
        self._stop = Event()

    def problem(self, kind: str, subject: str, detail: str) -> None:
        """Report something that is left out."""
        with self._lock:
            self.result.problems += 1
            self._on_problem(CopyProblem(kind, subject, detail))

    def count(self, **more: int) -> None:
        """Add to counts of the result, by their names."""
        with self._lock:
            for name, number in more.items():
                setattr(self.result, name, getattr(self.result, name) + number)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Withdraw at the target what is withdrawn at the source."""
        if notices:
            known = get_each(self.target.store, [notice.address for notice in notices])
            self.target.store.withdraw(notices)
            self._count_notices(notices, known)

    def withdraw_files(self, notices: Sequence[Notice]) -> None:
        """The same for files."""
        if notices:
            known = self.target.files.stat([notice.address for notice in notices])
            self.target.files.withdraw(notices)
            self._count_notices(notices, known)

    def copy_files(self, files: Sequence[StoredFile], count: Callable[[], None]) -> None:
        """Copy those of the files that the target lacks, or has in another size, which is damage; counts each."""
        known = self.target.files.stat([file.sha256 for file in files])
        lacking = []
        for file in files:
            there = known.get(file.sha256)
            if isinstance(there, Notice):
                self.count(files_withdrawn=1)
            elif there is not None and there.size == file.size:
                self.count(files_existed=1)
            else:
                lacking.append(file.sha256)
                continue
            count()
        for sha256, outcome in self._bring_files(lacking):
            self._note_file(sha256, outcome)
            count()

    def store(
        self, records: Sequence[Record], moves: Sequence[HeadMove] = (), *, quiet: bool = False, again: bool = True
    ) -> set[Address]:
        """Store documents whose files are at the target, or withdrawn; returns those addresses that are there now.

        The others are left out and, unless `quiet`, reported. `moves`: of heads, to documents that name no files.
        `again`: a file that gc took meanwhile is copied anew.
        """
        refused, renewed = self._look_at_files(records)
        storing = [record for record in records if record.address not in refused]
        outcomes, moved = self.target.store.put(storing, moves)
        lost = naming_lost_files(self.target.files, storing, renewed)
        new = {record.address for record, out in zip(storing, outcomes, strict=True) if out is Outcome.NEW}
        gone = [record for record in storing if record.address in lost and record.address in new]
        if gone:
            self.target.store.discard([record.address for record in gone])
            refused |= {record.address: "its file was collected meanwhile; copy again" for record in gone if not again}
        if not quiet:
            for address, detail in refused.items():
                self.problem("document", address, f"left out: {detail}")
        self.count(
            documents_new=len(new) - len(gone),
            documents_existed=outcomes.count(Outcome.EXISTED),
            documents_withdrawn=outcomes.count(Outcome.WITHDRAWN),
            # All heads are looked at in the end, and these will be there.
            heads_new=sum(moved),
            heads_existed=-sum(moved),
        )
        stored = {record.address for record in storing} - {record.address for record in gone}
        return stored | self.store(gone, quiet=quiet, again=False) if gone and again else stored

    def fetch(self, addresses: Collection[Address]) -> set[Address]:
        """Bring over those of these versions that the target lacks, and what is behind them; returns what still lacks.

        For versions that came to the source after its documents were read. What can't be copied isn't reported here.
        """
        absent = wanted = self._missing(addresses)
        met: set[Address] = set()  # no hash binds what a notice says: those from elsewhere may lead in a circle
        while wanted:
            self.reread = True
            met |= wanted
            held = get_each(self.source.store, list(wanted))
            notices = [item for item in held.values() if isinstance(item, Notice)]
            self.withdraw(notices)
            read = [read_source(address, item) for address, item in held.items() if isinstance(item, bytes)]
            records = [record for record in read if isinstance(record, Record)]
            stored = self.store(records, quiet=True) if records else set()
            behind = [record.previous for record in records if record.address in stored]
            behind += [notice.previous for notice in notices]
            wanted = self._missing([previous for previous in behind if previous is not None]) - met
        return self._missing(absent)

    def _missing(self, addresses: Collection[Address]) -> set[Address]:
        """Those of which the target has neither document nor notice."""
        absent = set(addresses) - self.target.store.has(list(addresses)) if addresses else set()
        return absent - get_each(self.target.store, list(absent)).keys() if absent else absent

    def _bring_files(self, names: Sequence[str]) -> Iterator[tuple[str, Stat7Error | None]]:
        """Copy files, several at once; each with the error that it met, if any. Raises what concerns all of them."""
        if len(names) < 2:
            return ((sha256, self._bring_file(sha256)) for sha256 in names)
        return pipelined(self._bring_file, names, FILES_AT_ONCE, self._stop)

    def _bring_file(self, sha256: str) -> Stat7Error | None:
        """Copy one file, hashed on arrival; returns the error that concerns it alone."""
        try:
            self.target.files.put(self._until_stopped(self.source.files.open(sha256)), sha256=sha256)
        except (Corrupt, InvalidEntity, Gone, NotFound) as error:
            return error
        return None

    def _until_stopped(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._stop.is_set():
                raise InterruptedError("the copy has ended")
            yield piece

    def _note_file(self, sha256: str, outcome: Stat7Error | None) -> None:
        if outcome is None:
            self.count(files_new=1)
        elif isinstance(outcome, Gone):
            self.reread = True
            self.withdraw_files([outcome.notice])
        elif not isinstance(outcome, NotFound):
            # One that isn't found was collected at the source meanwhile; a document that names it after all will tell.
            self.problem("file", sha256, f"left out: {outcome}")

    def _look_at_files(self, records: Iterable[Record]) -> tuple[dict[Address, str], set[str]]:
        """Why documents must be left out for their files; and the files that were renewed."""
        naming = [record for record in records if record.files]
        if not naming:
            return {}, set()
        names = list({entry.sha256 for record in naming for entry in record.files})
        for sha256, outcome in self._bring_files(list(set(names) - self.target.files.stat(names).keys())):
            if outcome is None or isinstance(outcome, Gone):
                self._note_file(sha256, outcome)
        refused, renewed = look_at_files(self.target.files, naming, self.target.now_ms())
        errors = {address: error for address, error in refused.items() if isinstance(error, InvalidEntity)}
        return {address: f"a file of it could not be copied ({error})" for address, error in errors.items()}, renewed

    def _count_notices(self, notices: Sequence[Notice], known: Mapping[str, object]) -> None:
        existed = sum(isinstance(known.get(notice.address), Notice) for notice in notices)
        self.count(notices_existed=existed, notices_new=len(notices) - existed)


def read_source(address: Address, document: bytes, *, trusted: bool = False) -> Record | CopyProblem | Named:
    """A document as it came from the source: its record, or what is wrong with it.

    `trusted`: the target has it already, so that only its hash is looked at; then the files that it names.
    """
    try:
        if trusted and hashlib.sha256(document).hexdigest() == address:
            return named_files(address, document)
    except Corrupt as error:
        return CopyProblem("document", address, f"damaged at the source and at the destination ({error.found})")
    try:
        record = read_canonical(document)
    except InvalidEntity as error:
        return CopyProblem("document", address, f"left out: damaged at the source ({error})")
    if record.address != address:
        return CopyProblem("document", address, f"left out: damaged at the source (it hashes to {record.address})")
    return record
