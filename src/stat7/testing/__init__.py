"""Published conformance suites: subclass one, give it a fresh store, and the whole contract is checked.

from stat7.testing import EntityStoreSuite, HeadStoreSuite

class TestMyStore(EntityStoreSuite, HeadStoreSuite):
    def make_store(self, tmp_path):
        return MyStore(tmp_path / "data")

RepositorySuite checks what a store of entities and a store of files must do together. More hooks (reopen, looking and
meddling below the store) are described in store_suite.py, file_suite.py and repository_base.py. model.py and
file_model.py hold the reference models and the state machines, strategies.py what Hypothesis needs to make entities and
queries, samples.py records made without it, repositories.py what helps to test a repository. Needs the extra `testing`,
all but `servers`, which are real servers for tests and measurements.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stat7.testing.entity_store_suite import EntityStoreSuite
    from stat7.testing.file_store_suite import FileStoreSuite
    from stat7.testing.head_store_suite import HeadStoreSuite
    from stat7.testing.repository_suite import RepositorySuite

__all__ = ["EntityStoreSuite", "FileStoreSuite", "HeadStoreSuite", "RepositorySuite"]

_REWRITTEN = (
    "store_suite",
    "entity_store_suite",
    "withdrawal_suite",
    "collision_suite",
    "find_suite",
    "head_store_suite",
    "model",
    "file_suite",
    "file_store_suite",
    "file_damage_suite",
    "file_withdrawal_suite",
    "file_model",
    "repositories",
    "repository_base",
    "putting_suite",
    "putting_files_suite",
    "reading_suite",
    "finding_suite",
)
_SUITES = {
    "EntityStoreSuite": "entity_store_suite",
    "FileStoreSuite": "file_store_suite",
    "HeadStoreSuite": "head_store_suite",
    "RepositorySuite": "repository_suite",
}

if "pytest" in sys.modules:
    # Before the suites are imported, so that their failed assertions show the values compared.
    sys.modules["pytest"].register_assert_rewrite(*(f"{__name__}.{name}" for name in _REWRITTEN))


def __getattr__(name: str) -> Any:
    # The suites need pytest and Hypothesis, which whoever wants only the servers may not have.
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_SUITES[name]}"), name)
