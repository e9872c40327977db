"""Verify: read everything, hash it again, and check that what refers to something finds it; repair what can be.

| kind | what was found | fails |
|---|---|---|
| document | stored bytes don't hash to their address, are no canonical entity, or state a wrong file size | yes |
| missing-file | a document names a file that is neither stored nor withdrawn | yes |
| index | an index row and its document disagree | yes |
| head | a head points to nothing, or to another id's version | yes |
| file | a stored file's bytes don't hash to its name | yes |
| store | damage to the store itself keeps a part of it from being read at all | yes |
| missing-version | the version that a stored one replaces isn't stored: history out of order, or lost | no |
| unreferenced | a version that its id's head doesn't lead to: it lost a race, or its put was cut off | no |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from stat7.address import Address, is_address
from stat7.errors import Corrupt, Gone, NotFound
from stat7.files.base import StoredFile
from stat7.operations.lineages import Lineages
from stat7.operations.repair import Damage, Repair, judge
from stat7.paging import DOCUMENTS, NAMES, walk
from stat7.progress import Report, silent
from stat7.record import Notice, Record
from stat7.repository import Repository
from stat7.stored import get_each, version_of
from stat7.stores.base import Finding
from stat7.versions import find_ancestors

INFORMATIVE: Final = frozenset({"missing-version", "unreferenced"})
"""Kinds of findings that don't make a verification fail."""

OnFinding = Callable[[Finding, bool], None]
"""Called with each finding and whether it was repaired."""


@dataclass(slots=True)
class VerifyResult:
    """What was checked, and what was found: `findings` fail and were not repaired, `notes` only inform."""

    entities: int = 0
    notices: int = 0
    files: int = 0
    heads: int = 0
    findings: int = 0
    repaired: int = 0
    notes: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong any more."""
        return self.findings == 0

    def as_dict(self) -> dict[str, int]:
        """The counts by their names."""
        return asdict(self)


def verify(
    repo: Repository,
    *,
    repair: bool = False,
    repair_from: Repository | None = None,
    on_finding: OnFinding = lambda finding, repaired: None,
    report: Report = silent,
) -> VerifyResult:
    """Check the whole repository, in constant memory, while others may go on using it.

    With `repair`, index rows are made anew from the documents that are here. With `repair_from`, damaged and missing
    documents and files are replaced from there as well (each checked first), and heads that are lost or point to
    nothing are mended. What is withdrawn, here or there, is never brought back. Without either nothing is changed.
    """
    job = _Verification(repo, Repair(repo, repair_from, alone=repair), on_finding, report)
    with Lineages(repo.store) as lineages:
        job.stage(lambda: job.check_documents(lineages))
        job.stage(job.check_index)
        job.stage(job.check_heads)
        job.stage(lambda: job.check_lineages(lineages))
    job.stage(job.check_files)
    return job.result


def verify_files(
    repo: Repository, *, on_finding: OnFinding = lambda finding, repaired: None, report: Report = silent
) -> VerifyResult:
    """The part of `verify` that reads every stored file whole. Nothing is changed."""
    job = _Verification(repo, Repair(repo, None), on_finding, report)
    job.stage(job.check_files)
    return job.result


class _Verification:
    def __init__(self, repo: Repository, repair: Repair, on_finding: OnFinding, report: Report) -> None:
        self.store = repo.store
        self.files = repo.files
        self.repair = repair
        self.report = report
        self.result = VerifyResult()
        self._on_finding = on_finding

    def stage(self, check: Callable[[], None]) -> None:
        """Run one part of the verification; damage that keeps it from going on is a finding, the next part follows."""
        try:
            check()
        except Corrupt as error:
            self._found(Finding("store", error.address, f"can't be read any further: {error.found}"), False)

    def check_documents(self, lineages: Lineages) -> None:
        result, total = self.result, self.store.count()
        for page in walk(self.store.scan, DOCUMENTS):
            records: list[Record] = []
            notices: list[Notice] = []
            damaged: dict[Address, Damage] = {}
            for address, held in page.items:
                read = held if isinstance(held, Notice) else judge(address, held)
                if isinstance(read, Record):
                    records.append(read)
                elif isinstance(read, Notice):
                    notices.append(read)
                else:
                    damaged[address] = read
            result.entities += len(records) + len(damaged)
            result.notices += len(notices)
            for item in self._damaged(damaged) if damaged else ():
                if isinstance(item, Notice):
                    notices.append(item)
                else:
                    records.append(item)
            self._check_named(records)
            lineages.add(records, notices)
            self.report("entities", result.entities, total)

    def check_index(self) -> None:
        cursor, done = None, 0
        while True:
            page = self.store.check(cursor, DOCUMENTS)
            findings = [finding for finding in page.items if not self._is_damage(finding)]
            left = set(findings)
            if findings and self.repair.index({finding.subject for finding in findings if is_address(finding.subject)}):
                left = set(self.store.check(cursor, DOCUMENTS).items)
            for finding in findings:
                self._found(finding, finding not in left)
            done += DOCUMENTS
            self.report("index", done, None)
            cursor = page.cursor
            if cursor is None:
                return

    def check_heads(self) -> None:
        before: str | None = None
        for page in walk(self.store.scan_heads, DOCUMENTS):
            wrong = self._wrong_heads(dict(page.items))
            if wrong:
                # Somebody may have moved or taken back what was just being looked at: only what stays so counts. Walked
                # again, since a head whose id is damaged may not be found by it.
                again = dict(self.store.scan_heads(before, DOCUMENTS).items)
                wrong = self._wrong_heads({id: again[id] for id in wrong if id in again})
            for id, (address, detail) in wrong.items():
                self._found(Finding("head", id, f"points to {address}, {detail}"), self._mend_head(id, address))
            self.result.heads += len(page.items)
            self.report("heads", self.result.heads, None)
            before = page.cursor

    def check_lineages(self, lineages: Lineages) -> None:
        for broken in lineages.broken():
            for address, previous in broken:
                self._missing_version(address, previous)
        mended, reached = "", set[Address]()
        for stray in lineages.unreferenced():
            if stray.head is None and stray.id != mended:
                mended, reached = stray.id, self._restore_head(stray.id)
            self._found(stray.finding(), stray.id == mended and stray.address in reached)

    def check_files(self) -> None:
        for page in walk(self.files.scan, NAMES):
            for item in page.items:
                if isinstance(item, StoredFile):
                    self._check_file(item)
                else:
                    self.result.notices += 1

    def _check_file(self, file: StoredFile) -> None:
        detail = self._damage_of(file.sha256)
        if detail is not None:
            self._found(Finding("file", file.sha256, detail), self.repair.file(file.sha256))
        self.result.files += 1
        self.report("files", self.result.files, None)

    def _found(self, finding: Finding, repaired: bool) -> None:
        if repaired:
            self.result.repaired += 1
        elif finding.kind in INFORMATIVE:
            self.result.notes += 1
        else:
            self.result.findings += 1
        self._on_finding(finding, repaired)

    def _is_damage(self, finding: Finding) -> bool:
        """Whether this is damage to a document, which its hash has told of before."""
        address = finding.subject
        if finding.kind != "document" or not is_address(address):
            return False
        held = get_each(self.store, (address,)).get(address)
        return isinstance(held, bytes) and isinstance(judge(address, held), Damage)

    def _damaged(self, damaged: Mapping[Address, Damage]) -> list[Record | Notice]:
        """Findings for damaged documents; returns what of them could be mended."""
        mended = self.repair.documents(damaged.keys())
        for address, damage in damaged.items():
            repaired = address in mended or self.repair.misplaced(address, damage.misplaced)
            self._found(Finding("document", address, damage.detail), repaired)
        return list(mended.values())

    def _check_named(self, records: Iterable[Record]) -> None:
        """Findings for files that these documents name and nobody has, or that have another size than they say."""
        naming = {(entry.sha256, entry.size): record.address for record in records for entry in record.files}
        known = self.files.stat(list({sha256 for sha256, _ in naming})) if naming else {}
        for (sha256, size), address in naming.items():
            held = known.get(sha256)
            if held is None:
                finding = Finding("missing-file", sha256, f"the document {address} names it, but it is not stored")
                self._found(finding, self.repair.file(sha256))
            elif isinstance(held, StoredFile) and held.size != size and self._damage_of(sha256) is None:
                detail = f"says that the file {sha256} has {size} bytes; it has {held.size}"
                self._found(Finding("document", address, detail), False)

    def _damage_of(self, sha256: str) -> str | None:
        """What is wrong with a stored file's bytes, None if they are good, or gone meanwhile."""
        try:
            for _ in self.files.open(sha256):
                pass
        except Corrupt as error:
            return f"the bytes are damaged: {error.found}"
        except (NotFound, Gone):
            pass
        return None

    def _wrong_heads(self, heads: Mapping[str, Address]) -> dict[str, tuple[Address, str]]:
        held = get_each(self.store, list(heads.values()))
        wrong: dict[str, tuple[Address, str]] = {}
        for id, address in heads.items():
            if address not in held:
                wrong[id] = address, "which is not stored"
                continue
            try:
                if not version_of(id, address, held[address]):
                    wrong[id] = address, "which is a version of another id"
            except Corrupt:
                # A finding already, as a document.
                continue
        return wrong

    def _mend_head(self, id: str, address: Address | None) -> bool:
        mended, fetched = self.repair.head(id, address)
        # These weren't among the documents whose files and histories were looked at.
        self._check_named(item for item in fetched.values() if isinstance(item, Record))
        for item in fetched.values():
            if item.previous is not None:
                self._missing_version(item.address, item.previous)
        return mended

    def _restore_head(self, id: str) -> set[Address]:
        """Give an id back the head that it lost, if possible; returns the versions that it leads to then."""
        if not self._mend_head(id, None):
            return set()
        head = self.store.heads((id,)).get(id)
        if head is None:
            # Put right, but lost again: taken back by somebody, or written where a damaged index doesn't find it.
            return set()
        return {head} | find_ancestors(self.store, {id: (head, {""})}).behind[id]

    def _missing_version(self, address: Address, previous: Address) -> None:
        """The finding that `previous` is missing and, where that can be mended, the same for what is behind it."""
        missing: Address | None = previous
        while missing is not None and missing not in get_each(self.store, (missing,)):
            mended = self.repair.documents((missing,)).get(missing)
            detail = f"the version {address} replaces it, but it is not stored"
            self._found(Finding("missing-version", missing, detail), mended is not None)
            if isinstance(mended, Record):
                self._check_named([mended])
            address, missing = missing, None if mended is None else mended.previous
