"""The conformance suite of a repository over some stores: the rules of docs/semantics.md that they hold together."""

from __future__ import annotations

from stat7.testing.finding_suite import FindingSuite
from stat7.testing.putting_files_suite import PuttingFilesSuite
from stat7.testing.putting_suite import PuttingSuite
from stat7.testing.reading_suite import ReadingSuite


class RepositorySuite(PuttingSuite, PuttingFilesSuite, ReadingSuite, FindingSuite):
    """Put, conflicts, heads, get, history, withdrawal, find and files over an EntityStore and a FileStore."""
