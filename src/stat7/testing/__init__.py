"""Published conformance suites: subclass one, give it a fresh store, and the whole contract is checked.

from stat7.testing import EntityStoreSuite, HeadStoreSuite

class TestMyStore(EntityStoreSuite, HeadStoreSuite):
    def make_store(self, tmp_path):
        return MyStore(tmp_path / "data")

More hooks (reopen, looking and meddling below the store) are described in store_suite.py. Needs the extra `testing`.
"""

import pytest

# Before the suites are imported, so that their failed assertions show the values compared.
pytest.register_assert_rewrite("stat7.testing")

from stat7.testing.entity_store_suite import EntityStoreSuite  # noqa: E402
from stat7.testing.head_store_suite import HeadStoreSuite  # noqa: E402

__all__ = ["EntityStoreSuite", "HeadStoreSuite"]
