"""The layers of ARCHITECTURE.md, as [tool.importlinter] in pyproject.toml states them, hold in the source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"


def lint(source: Path, checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run the checkout's contracts on the package stat7 below `source`, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(source), "COLUMNS": "200", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-c", COMMAND],
        cwd=checkout,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_source_keeps_its_layers(checkout: Path) -> None:
    done = lint(checkout / "src", checkout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("stores/base.py", "import stat7.importers", "stat7.stores is not allowed to import stat7.importers"),
        ("files/base.py", "import stat7.stores.memory_of_another", "stat7.files is not allowed to import stat7.stores"),
        ("canonical.py", "import pathlib", "stat7.canonical is not allowed to import pathlib"),
        ("stray.py", "", "stat7.stray"),
    ],
)
def test_a_planted_import_across_the_layers_is_found(
    module: str, line: str, complaint: str, checkout: Path, tmp_path: Path
) -> None:
    package = tmp_path / "stat7"
    shutil.copytree(checkout / "src" / "stat7", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "stores" / "memory_of_another.py").touch()
    with (package / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path, checkout)
    assert done.returncode == 1
    assert complaint in done.stdout
