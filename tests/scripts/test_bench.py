"""scripts/bench.py reads results, judges them and writes a page that says nothing of whose machine it was."""

from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path

import bench
import pytest

RESULT = {"benchmark": "address", "unit": "/s", "ours": 500000, "baseline": 150000, "ratio": 3.33, "target": 3}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with no benchmarks yet."""
    for name, value in {
        "ROOT": tmp_path,
        "FOLDER": tmp_path / "benchmarks",
        "PAGE": tmp_path / "docs" / "b.md",
    }.items():
        monkeypatch.setattr(bench, name, value)
    (tmp_path / "benchmarks").mkdir()
    return tmp_path


def add(folder: Path, name: str, *lines: str, code: int = 0) -> None:
    """Put a benchmark there that prints these lines and ends with this exit code."""
    text = "import sys\n" + "".join(f"print({line!r})\n" for line in lines) + f"sys.exit({code})\n"
    (folder / "benchmarks" / f"{name}.py").write_text(text, "utf-8")


def test_results_that_reach_their_targets_are_written_to_the_page(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(folder, "address", "warming up", json.dumps(RESULT | {"note": "a|b"}))
    add(folder, "_helper", "not a benchmark", code=1)
    assert bench.main([]) == 0
    page = (folder / "docs" / "b.md").read_text("utf-8")
    assert "| address | /s | 500,000 | 150,000 | 3.33 | 3 | ok | a\\|b |" in page
    assert "## address\n" in page
    assert "address" in capsys.readouterr().out


def test_a_result_that_falls_short_fails_the_run_and_the_page_says_so(folder: Path) -> None:
    add(folder, "address", json.dumps(RESULT | {"ratio": 2.9}))
    assert bench.main([]) == 1
    page = (folder / "docs" / "b.md").read_text("utf-8")
    assert "| 2.9 | 3 | short |" in page


@pytest.mark.parametrize(
    ("line", "code"),
    [(json.dumps(RESULT), 2), ("nothing", 0), ('{"benchmark": "address"}', 0), ("{broken", 0)],
    ids=["exit code", "no result", "member missing", "no JSON"],
)
def test_a_benchmark_that_fails_fails_the_run_and_leaves_its_part_of_the_page(
    folder: Path, line: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    add(folder, "address", json.dumps(RESULT | {"note": "before"}))
    assert bench.main([]) == 0
    add(folder, "address", line, code=code)
    add(folder, "good", json.dumps(RESULT))
    assert bench.main([]) == 1
    page = (folder / "docs" / "b.md").read_text("utf-8")
    assert "| before |" in page
    assert "## good\n" in page
    assert "address … failed: " in capsys.readouterr().err


def test_a_quick_run_leaves_the_page(folder: Path) -> None:
    add(folder, "address", json.dumps(RESULT))
    assert bench.main(["--quick"]) == 0
    assert not (folder / "docs").exists()


def test_a_run_of_some_writes_their_parts_and_leaves_the_others(folder: Path) -> None:
    for name in ("files", "address", "get"):
        add(folder, name, json.dumps(RESULT | {"note": f"old {name}"}))
    assert bench.main([]) == 0
    whole = (folder / "docs" / "b.md").read_text("utf-8")
    add(folder, "files", json.dumps(RESULT | {"note": "new files"}))
    assert bench.main(["files"]) == 0
    assert (folder / "docs" / "b.md").read_text("utf-8") == whole.replace("old files", "new files")
    assert [line for line in whole.splitlines() if line.startswith("## ")] == ["## address", "## files", "## get"]


def test_an_unknown_name_is_a_usage_error(folder: Path) -> None:
    add(folder, "address", json.dumps(RESULT))
    with pytest.raises(SystemExit, match="2"):
        bench.main(["adress"])


def test_what_a_benchmark_says_of_itself_overrides_the_rule() -> None:
    row = bench.parse_row(json.dumps(RESULT | {"ok": False, "baseline": None}))
    assert row is not None
    assert not row.ok
    assert row.cells()[3] == ""


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.912345, "0.912"), (24.61, "24.6"), (131234, "131,000"), (99.96, "100")]
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert bench.figure(value) == text


def test_the_machine_is_described_without_naming_it() -> None:
    text = " ".join(bench.machine())
    assert f"Python {platform.python_version()}" in text
    assert "SQLite 3." in text
    for name in (platform.node(), getpass.getuser(), str(Path.home())):
        assert name not in text.split()
