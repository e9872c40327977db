"""scripts/find_python.sh finds a Python that runs, is new enough and can make environments, or says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="make and sh are for development on POSIX systems")

GOOD = f'exec "{sys.executable}" "$@"'
OLD = "exit 1"
GONE = "echo 'command not found' >&2; exit 127"
NO_VENV = f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"'


def find(checkout: Path, folder: Path, *arguments: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing but these programs on the PATH (`python3_12` for python3.12)."""
    for name, body in programs.items():
        program = folder / name.replace("_", ".")
        program.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        program.chmod(0o755)
    script = str(checkout / "scripts" / "find_python.sh")
    environment = {"PATH": str(folder)}
    return subprocess.run(["/bin/sh", script, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_an_old_python3_does_not_hide_a_newer_one(checkout: Path, tmp_path: Path) -> None:
    found = find(checkout, tmp_path, python3=OLD, python3_13=GONE, python3_12=GOOD)
    assert (found.returncode, found.stderr) == (0, "")
    assert os.access(found.stdout.strip(), os.X_OK)


def test_python3_is_taken_where_it_will_do(checkout: Path, tmp_path: Path) -> None:
    assert find(checkout, tmp_path, python3=GOOD, python3_12=OLD).returncode == 0


@pytest.mark.parametrize("programs", [{}, {"python3": OLD, "python3_12": GONE}])
def test_without_any_one_line_says_what_to_do(checkout: Path, tmp_path: Path, programs: dict[str, str]) -> None:
    found = find(checkout, tmp_path, **programs)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.count("\n") == 1
    assert "no Python 3.11 or newer found" in found.stderr
    assert "PYTHON=" in found.stderr


def test_a_python_without_venv_is_named_with_the_remedy(checkout: Path, tmp_path: Path) -> None:
    found = find(checkout, tmp_path, python3=NO_VENV)
    assert found.returncode == 1
    assert "python3 has no venv module" in found.stderr
    assert "python3-venv" in found.stderr


def test_the_one_that_was_named_is_taken_or_refused(checkout: Path, tmp_path: Path) -> None:
    assert find(checkout, tmp_path, "mine", mine=GOOD, python3=OLD).returncode == 0
    refused = find(checkout, tmp_path, "mine", mine=OLD, python3=GOOD)
    assert refused.returncode == 1
    assert "(tried: mine)" in refused.stderr
