"""What the tests of copy share: a source with a little of everything, and a copy whose problems are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stat7.operations.copy import CopyProblem, CopyResult, copy
from stat7.record import Record
from stat7.repository import Repository
from stat7.testing.samples import chain, sample, samples
from tests.repositories import (
    put_file,
    put_new,
)

Make = Callable[[str, str], Repository]
"""Makes (or opens again) a repository of a kind under a name."""


def run(source: Repository, target: Repository, **options: Any) -> tuple[CopyResult, list[CopyProblem]]:
    """Copy; the result and the problems."""
    problems: list[CopyProblem] = []
    result = copy(source, target, on_problem=problems.append, **options)
    assert result.problems == len(problems)
    assert result.ok == (not problems and result.source == result.target)
    return result, problems


def fill(repo: Repository) -> list[Record]:
    """A little of everything."""
    file, secret = put_file(repo, b"the bytes of a file" * 100), put_file(repo, b"withdrawn")
    records = [*chain("x", 4), sample("filed", files=[file, secret._replace(name="s")], adjacency=["x"]), *samples(8)]
    put_new(repo, records)
    put_file(repo, b"named by nobody")
    repo.withdraw([records[1].address, records[6].address, "0" * 64], case="1", reason="r")
    repo.withdraw_files([secret.sha256, "f" * 64], case="2", reason="r")
    return records
