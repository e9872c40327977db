"""The command as a program: what it writes in any encoding, and that no failure of the system is a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stat7.cli.app import UNAVAILABLE, USAGE, run
from stat7.registry import DEFAULT_STORE, files_beside
from tests.cli.conftest import Run, as_json

ID = "日本"
CLOSED = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-"}


def program(folder: Path, *arguments: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run stat7 as a process of its own in a folder; `shell` is a redirection."""
    command = [sys.executable, "-m", "stat7", *arguments]
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STAT7_")}
    return subprocess.run(
        command, cwd=folder, env=inherited | environment, capture_output=True, timeout=60, check=False
    )


@pytest.fixture
def stored(run: Run, tmp_path: Path) -> Path:
    """A folder whose store holds one entity, with an id that few encodings can write."""
    (tmp_path / "ada.json").write_bytes(as_json(id=ID))
    assert run("put", "ada.json").code == 0
    return tmp_path


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_output_is_utf_8_whatever_the_system_prefers(stored: Path, encoding: str) -> None:
    for command in (("find",), ("head", ID, "--json"), ("get", "--id", ID)):
        done = program(stored, *command, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert ID in done.stdout.decode()
    done = program(stored, "head", f"{ID}!", PYTHONIOENCODING=encoding)
    assert f"not found: {ID}!" in done.stderr.decode()


@pytest.mark.skipif(sys.platform != "linux", reason="a device that is always full is a thing of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [("get", "--id", ID), ("get", "--id", ID, "--raw"), ("find", "--json"), ("find",)])
def test_standard_output_on_a_full_disk_is_one_line_and_exit_6(
    stored: Path, command: tuple[str, ...], unbuffered: str
) -> None:
    done = program(stored, *command, shell=">/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == UNAVAILABLE
    assert done.stderr.decode().splitlines() == [
        "stat7: standard input or output: No space left on device; free some space and run this again"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="a device that is always full is a thing of Linux")
def test_the_exit_code_holds_where_standard_error_is_full(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As for most users: what can't be written waits in the buffer until the interpreter ends.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    assert program(stored, "head", "nobody", shell="2>/dev/full").returncode == 3
    assert program(stored, "find", "--file", "x", shell="2>/dev/full").returncode == USAGE


@pytest.mark.skipif(os.name == "nt", reason="needs a Unix shell")
def test_closed_standard_streams_are_one_line_at_most(stored: Path) -> None:
    for command in (("get", "--id", ID), ("get", "--id", ID, "--raw"), ("find", "--json")):
        done = program(stored, *command, shell=CLOSED["stdout"])
        assert done.returncode == USAGE
        assert done.stderr.decode().splitlines() == ["stat7: standard input or output: Bad file descriptor"]
    assert program(stored, "put", "-", shell=CLOSED["stdin"]).returncode == USAGE
    assert program(stored, "verify", shell=CLOSED["stderr"]).returncode == 0
    assert program(stored, "head", "nobody", shell=CLOSED["stderr"]).returncode == 3


@pytest.mark.skipif(os.name == "nt", reason="needs a Unix shell")
def test_a_store_is_not_opened_in_place_of_a_closed_standard_output(stored: Path) -> None:
    code = "import os, stat7.cli.app as app; app._prepare_streams(); os.write(9, os.readlink('/dev/fd/1').encode())"
    if sys.platform == "linux":
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" 9>&1 >&-', "sh", sys.executable, "-c", code], capture_output=True, check=False
        )
        assert done.stdout.decode() == os.devnull, done.stderr
    program(stored, "verify", shell=" ".join(CLOSED.values()))
    assert program(stored, "verify").returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="needs a Unix shell")
def test_a_reader_that_has_enough_is_no_failure(stored: Path) -> None:
    (stored / "many").write_bytes(b"".join(as_json(id=f"{n}") + b"\n" for n in range(500)))
    assert program(stored, "import", "entities", "many").returncode == 0
    done = program(stored, "find", "--json", shell="| head -c 1")
    assert (done.stdout, done.stderr) == (b"{", b"")


def test_an_error_of_the_system_is_one_line_with_its_path(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", "a\x1bb.json")

    monkeypatch.setattr(Path, "exists", denied)
    done = run("find")
    assert done.code == USAGE
    assert done.err.splitlines() == ["stat7: a\ufffdb.json: Permission denied"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("file", "cat", "0" * 64, "--range", f"0-{'9' * 5000}"),
        ("file", "cat", "0" * 64, "--range", "٣-٤"),
        ("find", "--limit", str(10**20)),
        ("find", "--limit", "9" * 5000),
        ("gc", "--grace", f"{'9' * 400}d"),
    ],
)
def test_numbers_beyond_all_bounds_are_usage_errors(run: Run, arguments: tuple[str, ...]) -> None:
    run("init")
    done = run(*arguments)
    assert done.code == USAGE
    assert "Traceback" not in done.err
    assert len(done.err) < 6000


def test_the_largest_limit_is_no_error(run: Run) -> None:
    run("put", "-", stdin=as_json())
    assert len(run("find", "--limit", sys.maxsize).lines) == 1


def test_the_help_names_the_defaults_that_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"else {DEFAULT_STORE}." in printed
    assert f"({files_beside(DEFAULT_STORE)})" in printed


def test_the_two_seeds_of_stress_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stress", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "the one named seed has nothing to do with --seed" in printed
