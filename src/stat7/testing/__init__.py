"""Published conformance suites: subclass one, give it a fresh store, and the whole contract is checked.

from stat7.testing import EntityStoreSuite, HeadStoreSuite

class TestMyStore(EntityStoreSuite, HeadStoreSuite):
    def make_store(self, tmp_path):
        return MyStore(tmp_path / "data")

RepositorySuite checks what a store of entities and a store of files must do together. More hooks (reopen, looking and
meddling below the store) are described in store_suite.py, file_suite.py and repository_base.py. model.py and
file_model.py hold the reference models and the state machines, strategies.py what Hypothesis needs to make entities and
queries, samples.py records made without it, repositories.py what helps to test a repository. Needs the extra `testing`.
"""

import pytest

# Before the suites are imported, so that their failed assertions show the values compared.
pytest.register_assert_rewrite(
    f"{__name__}.store_suite",
    f"{__name__}.entity_store_suite",
    f"{__name__}.withdrawal_suite",
    f"{__name__}.collision_suite",
    f"{__name__}.find_suite",
    f"{__name__}.head_store_suite",
    f"{__name__}.model",
    f"{__name__}.file_suite",
    f"{__name__}.file_store_suite",
    f"{__name__}.file_damage_suite",
    f"{__name__}.file_withdrawal_suite",
    f"{__name__}.file_model",
    f"{__name__}.repositories",
    f"{__name__}.repository_base",
    f"{__name__}.putting_suite",
    f"{__name__}.putting_files_suite",
    f"{__name__}.reading_suite",
    f"{__name__}.finding_suite",
)

from stat7.testing.entity_store_suite import EntityStoreSuite  # noqa: E402
from stat7.testing.file_store_suite import FileStoreSuite  # noqa: E402
from stat7.testing.head_store_suite import HeadStoreSuite  # noqa: E402
from stat7.testing.repository_suite import RepositorySuite  # noqa: E402

__all__ = ["EntityStoreSuite", "FileStoreSuite", "HeadStoreSuite", "RepositorySuite"]
