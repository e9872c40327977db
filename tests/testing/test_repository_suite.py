"""The suite for repositories can fail: sabotaged stores are caught, and missing hooks are told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.stores.memory import MemoryStore
from stat7.testing import RepositorySuite


class Forgetful(MemoryStore):
    """Keeps notices without what they say of the document."""

    def withdraw(self, notices: Sequence[Notice]) -> None:
        super().discard([notice.address for notice in notices])
        super().withdraw(notices)


class Careless(MemoryStore):
    """Moves heads whatever they are."""

    def put(self, records: Sequence[object], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        outcomes, _ = super().put(records)  # type: ignore[arg-type]
        heads = self.heads([move.id for move in moves])
        return outcomes, self.swap_heads([move._replace(expected=heads.get(move.id)) for move in moves])


class Hoarding(MemoryFiles):
    """Keeps what is withdrawn."""

    def withdraw(self, notices: Sequence[Notice]) -> None:
        pass


class Suite(RepositorySuite):
    """Over these stores."""

    def __init__(self, store: Store, files: FileStore) -> None:
        self.stores = store, files

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        return self.stores


@pytest.mark.parametrize(
    ("store", "files", "caught_by"),
    [
        (Forgetful, MemoryFiles, "test_after_withdrawal_of_the_head_the_id_is_gone_and_its_history_remains"),
        (Careless, MemoryFiles, "test_a_lost_race_is_a_conflict_and_leaves_the_winner_as_head"),
        (MemoryStore, Hoarding, "test_a_document_that_names_a_withdrawn_file_answers_gone"),
    ],
)
def test_sabotaged_stores_are_caught(store: type[MemoryStore], files: type[MemoryFiles], caught_by: str) -> None:
    sound = Suite(MemoryStore(), MemoryFiles())
    getattr(sound, caught_by)(Repository(*sound.stores))
    bad = Suite(store(), files())
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(bad, caught_by)(Repository(*bad.stores))


def test_the_suite_needs_stores(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="make_stores"):
        RepositorySuite().make_stores(tmp_path)


def test_a_missing_hook_skips_and_says_which() -> None:
    with pytest.raises(pytest.skip.Exception, match="`damage`"):
        RepositorySuite().damage(MemoryStore(), "0" * 64)
    with pytest.raises(pytest.skip.Exception, match="`damage_file`"):
        RepositorySuite().damage_file(MemoryFiles(), "0" * 64, b"")
