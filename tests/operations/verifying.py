"""What the tests of verify share: a healthy repository, and its findings."""

from __future__ import annotations

from stat7.operations.verify import INFORMATIVE, VerifyResult, verify
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import Finding
from stat7.testing.samples import chain, sample, samples
from tests.repositories import (
    put_file,
    put_new,
)


def findings(
    repo: Repository, repair_from: Repository | None = None, *, repair: bool = False
) -> tuple[VerifyResult, list[tuple[str, str, bool]]]:
    """The result, and kind, subject and whether repaired of each finding."""
    found: list[tuple[str, str, bool]] = []

    def on_finding(finding: Finding, repaired: bool) -> None:
        assert finding.detail
        found.append((finding.kind, finding.subject, repaired))

    result = verify(repo, repair=repair, repair_from=repair_from, on_finding=on_finding)
    assert result.repaired == sum(repaired for _, _, repaired in found)
    assert result.notes == sum(kind in INFORMATIVE and not repaired for kind, _, repaired in found)
    assert result.findings == len(found) - result.repaired - result.notes
    assert result.ok == (result.findings == 0)
    return result, found


def fill(*repositories: Repository) -> list[Record]:
    """The same few things in each: a history of four, an entity with a file, two others; all of them in that order."""
    for repo in repositories:
        file = put_file(repo, b"the bytes of a file")
        records = [*chain("x", 4), sample("filed", files=[file], adjacency=["x"]), *samples(2)]
        put_new(repo, records)
    return records
