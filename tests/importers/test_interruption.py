"""An import stopped from the keyboard: run again to the end, everything is there once, and nothing is broken.

Imports that are killed are in tests/system/test_crash_imports.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stat7.importers.entities import read_entities
from stat7.operations.verify import verify
from stat7.testing.samples import sample
from tests.importers.support import imported
from tests.repositories import make_repository
from tests.uncounted import environment

COUNT = 3000

IMPORT = """
import faulthandler
import sys
from pathlib import Path
from stat7.files.local import LocalFiles
from stat7.importers.base import run
from stat7.importers.entities import read_entities
from stat7.repository import Repository
from stat7.stores.sqlite import SQLiteStore

faulthandler.dump_traceback_later(90, exit=True)
folder, source = map(Path, sys.argv[1:])
folder.mkdir(exist_ok=True)
repo = Repository(SQLiteStore(folder / "store.db"), LocalFiles(folder / "files"))
items = read_entities(source)
print("ready", flush=True)
run(repo, items, on_problem=lambda problem: None, batch=100)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_an_import_that_is_interrupted_from_the_keyboard_leaves_nothing_broken(tmp_path: Path) -> None:
    source = tmp_path / "all.ndjson"
    source.write_bytes(b"\n".join(sample(f"id {number}").document for number in range(COUNT)))
    command = [sys.executable, "-c", IMPORT, str(tmp_path / "library"), str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0 or b"KeyboardInterrupt" in complaint
    with make_repository("sqlite", tmp_path / "library") as repo:
        done = imported(repo, read_entities(source))
        assert done.problems == []
        assert (done.summary.read, repo.store.count()) == (COUNT, COUNT)
        findings: list[object] = []
        result = verify(repo, on_finding=lambda *finding: findings.append(finding))
        assert (result.entities, findings) == (COUNT, [])
