"""The command `stress`: options, exit codes, what it prints and writes; what it measures is tested in tests/stress/."""

from __future__ import annotations

import copy
import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import click.testing
import psutil
import pytest

from stat7.cli import stress as command
from stat7.cli.app import run
from stat7.cli.output import progress
from stat7.stress import results as results_module
from stat7.stress import runner, self_test
from stat7.stress.context import Context
from stat7.stress.experiments import Lacking, fact_cases, file_cases, server_cases
from stat7.stress.experiments.server_cases import ServerCase
from stat7.stress.plan import FULL, QUICK, Mode
from stat7.stress.results import Results, TestResult, Verdict, validate
from stat7.stress.runner import Settings
from stat7.stress.subject import Subject
from tests.uncounted import environment

TINY = Mode("quick", (300,), 60.0, 0.05, 1000, 0.05, 0.1, workers=())


@pytest.fixture(scope="module")
def measured() -> Results:
    """What a tiny run found, without what a busy machine may fail."""
    results = runner.run(Settings(TINY))
    results.tests = [test for test in results.tests if test.name in ("collisions", "memory")]
    return results


@pytest.fixture
def asked(measured: Results, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that runs were asked for; the tiny run's results stand for theirs."""
    settings: list[Settings] = []

    def answer(given: Settings, *more: Any) -> Results:
        settings.append(given)
        return measured

    monkeypatch.setattr(runner, "run", answer)
    return settings


def test_quick_writes_its_results_and_prints_one_table(
    asked: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stress", "--output", str(tmp_path / "results"), "--seed", "11"]) == 0
    (path,) = (tmp_path / "results").glob("*.json")
    document = json.loads(path.read_text("utf-8"))
    validate(document)
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split("\t")[:2] == ["collisions", "300"]
    assert lines[0].endswith("PASS")
    assert lines[-1].startswith("2 PASS in ")
    assert str(path) in printed.err
    assert (asked[0].mode, asked[0].seed, asked[0].given) == (QUICK, 11, None)


def test_json_prints_the_document_and_nothing_else(
    asked: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stress", "--full", "--json", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1
    validate(json.loads(printed))
    assert asked[0].mode is FULL


def test_a_given_store_is_measured(asked: list[Settings], tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'library.db'}"
    assert run(["stress", "--store", url, "--files", "memory:", "--output", str(tmp_path)]) == 0
    given = asked[0].given
    assert given is not None
    assert given.store == url


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--full"], "exclude each other"),
        (["--self-test", "--full"], "exclude each other"),
        (["--files", "memory:"], "--files goes with --store"),
        (["--profile", "wish"], "choose one of seed"),
        (["--store", "memory:"], "several processes"),
        (["--store", "punchcards:x"], "unknown scheme"),
        (["--seed", "-1"], "-1"),
        (["--experiment", "EXP-09"], "there is none named 'EXP-09'; choose one of EXP-01, EXP-02"),
        (["--scales", "5K,1K"], "must be rising numbers up to 10M, such as 1K,100K"),
        (["--scales", "11M"], "must be rising numbers"),
        (["--scales", "many"], "must be rising numbers"),
        (["--quick", "--scales", "1K"], "exclude each other"),
        (["--store", "sqlite:a.db", "--gateway", "https://one.example.org"], "exclude each other"),
        (["--seed", "3", "report", "a.json"], "--seed doesn't go with report"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    arguments: list[str], message: str, asked: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stress", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert asked == []


def test_an_output_folder_that_cannot_be_made_is_told_before_anything_is_measured(
    asked: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run(["stress", "--output", str(tmp_path / "file" / "inside")]) == 2
    assert "--output" in capsys.readouterr().err
    assert asked == []


def test_results_that_cannot_be_written_are_printed_all_the_same(
    asked: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*given: object) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(results_module, "write", full)
    assert run(["stress", "--output", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert "2 PASS in " in printed.out
    assert "the results can't be written there" in printed.err


def test_a_missing_package_is_named_with_its_remedy(
    asked: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numpy" else real(name))
    assert run(["stress"]) == 2
    assert 'numpy not installed: run pip install "stat7[stress]"' in capsys.readouterr().err
    assert asked == []


def test_a_failure_is_exit_1_and_an_interrupt_130(
    measured: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failed = copy.deepcopy(measured)
    failed.tests.append(replace(failed.tests[0], verdict=Verdict.FAIL, why="duplicates is 3 addresses, target == 0"))
    monkeypatch.setattr(runner, "run", lambda *given: failed)
    assert run(["stress", "--output", str(tmp_path)]) == 1
    failed.run.interrupted = True
    assert run(["stress", "--output", str(tmp_path)]) == 130
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert len(list(tmp_path.glob("*/report.html"))) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of a terminal's Ctrl-C")
def test_ctrl_c_ends_the_run_at_once_keeps_what_was_measured_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    results = tmp_path / "results"
    process = subprocess.Popen(
        [sys.executable, "-m", "stat7", "stress", "--quick", "--output", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment(TMPDIR=str(temporary), PYTHONFAULTHANDLER="1"),
    )
    assert process.stderr is not None
    assert any("address" in line for line in process.stderr)  # reads up to the first such line
    os.killpg(process.pid, signal.SIGINT)
    try:
        printed, complained = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"still running a minute after the interrupt:\n{process.communicate()[1]}")
    assert process.returncode == 130, complained
    assert "Traceback" not in complained
    assert "interrupted; " in printed
    (path,) = results.glob("*.json")
    document = json.loads(path.read_text("utf-8"))
    validate(document)
    assert document["run"]["interrupted"] is True
    assert [test["name"] for test in document["tests"]][:1] == ["address"]
    assert list(temporary.iterdir()) == []
    until = time.monotonic() + 10
    while (left := _alive_in_group(process.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []


def test_scales_of_ones_own_and_experiments_are_asked_for(asked: list[Settings], tmp_path: Path) -> None:
    assert run(["stress", "--scales", "500,2k", "--no-report", "--output", str(tmp_path)]) == 0
    assert (asked[0].mode.name, asked[0].mode.scales) == ("scales", (500, 2000))
    assert not list(tmp_path.glob("*/report.html"))
    assert run(["stress", "--experiment", "1", "--experiment", "exp-03", "--output", str(tmp_path)]) == 0
    assert [each.name for each in asked[1].experiments] == ["EXP-01", "EXP-03"]
    assert run(["stress", "--experiment", "all", "--output", str(tmp_path)]) == 0
    assert len(asked[2].experiments) == 8


def test_an_interrupted_run_goes_on_as_it_began(
    asked: list[Settings], measured: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results_module.write(measured, tmp_path)
    assert run(["stress", "--resume", str(path)]) == 2
    assert "is the whole run, nothing is left to do" in capsys.readouterr().err
    cut = copy.deepcopy(measured)
    cut.run.interrupted = True
    path = results_module.write(cut, tmp_path)
    assert run(["stress", "--resume", str(path), "--seed", "3"]) == 2
    assert "leave --seed out" in capsys.readouterr().err
    assert run(["stress", "--resume", str(path), "--output", str(tmp_path)]) == 0
    before = asked[0].before
    assert before is not None
    assert before.run.id == measured.run.id
    assert (asked[0].mode, asked[0].seed, asked[0].profile.name) == (QUICK, 7, "seed")


def test_reports_are_written_again_from_the_file(
    measured: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results_module.write(measured, tmp_path)
    assert run(["stress", "report", str(path)]) == 0
    assert (path.with_suffix("") / "STRESS_TEST_INDEX.md").exists()
    other = tmp_path / "other"
    assert run(["stress", "report", str(path), "--output", str(other)]) == 0
    index = (other / path.stem / "STRESS_TEST_INDEX.md").read_text("utf-8")
    assert f"../../{path.name}" in index
    assert "report.html" in capsys.readouterr().err


def test_equal_runs_are_not_told_apart(measured: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = []
    for number, name in enumerate(("before", "after")):
        run_of = copy.deepcopy(measured)
        run_of.run.id = f"{number:016x}"
        run_of.self_check["reference"] = [{"value": 1e4, "unit": "1/s", "samples": 9, "interval": [9e3, 1.1e4]}] * 2
        (tmp_path / name).mkdir()
        sides.append(str(results_module.write(run_of, tmp_path / name).parent))
    assert run(["stress", "compare", *sides]) == 0
    assert "no difference shown" in capsys.readouterr().out
    assert run(["stress", "compare", *sides, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"]
    assert run(["stress", "compare", sides[0], sides[0]]) == 2


def _alive_in_group(group: int) -> list[str]:
    """The processes of a group, those left out that have ended and wait for somebody to notice."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found


def test_the_self_test_says_what_was_caught(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tuple(case for case in self_test.CASES if case.test == "collisions" and "control" in case.name)
    blind = self_test.Case("a blind check", Subject(), "collisions", few[0].verdicts, "unheard of")
    monkeypatch.setattr(self_test, "CASES", few)
    monkeypatch.setattr(fact_cases, "CASES", ())
    monkeypatch.setattr(file_cases, "CASES", ())
    monkeypatch.setattr(server_cases, "CASES", ())
    assert run(["stress", "--self-test"]) == 0
    assert "nothing (control)\tcollisions\tPASS\t-" in capsys.readouterr().out
    monkeypatch.setattr(self_test, "CASES", (blind,))
    assert run(["stress", "--self-test", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["all_as_expected"] is False


def test_what_the_self_test_could_not_try_is_not_counted_as_caught(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(context: Context) -> TestResult:
        raise Lacking("PostgreSQL is not installed: run `make servers`")

    case = ServerCase("a store that misses its index", "EXP-05", "database plan", None, lacking, Verdict.FAIL)
    for module, cases in ((self_test, ()), (fact_cases, ()), (file_cases, ())):
        monkeypatch.setattr(module, "CASES", cases)
    monkeypatch.setattr(server_cases, "CASES", (case,))
    assert run(["stress", "--self-test"]) == 7
    assert "EXP-05 database plan\tnot tried\t?\tPostgreSQL is not installed" in capsys.readouterr().out


def test_on_a_terminal_the_table_wraps_and_cuts_nothing_off(
    measured: Results, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    command._print(measured)
    printed = click.unstyle(capsys.readouterr().out)
    assert printed.splitlines()[0].split() == ["test", "scale", "key", "figures", "target", "verdict"]
    assert printed.count("PASS") == 3
    assert "…" not in printed
    assert all(len(line) <= 70 for line in printed.splitlines()[:-1])


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        """Standard error as a terminal has it."""

        def __init__(self) -> None:
            self.written = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            self.written += text
            return len(text)

        def flush(self) -> None:
            pass

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(staged=False) as report:
        report("address, 10K", 3, 50)
    assert "address, 10K" in terminal.written


def test_the_help_has_examples() -> None:
    shown = click.testing.CliRunner().invoke(command.stress, ["--help"])
    assert "stat7 stress --full --output results" in shown.output


def test_the_command_line_is_loaded_without_the_heavy_packages() -> None:
    code = (
        "import sys, stat7.cli.stress; sys.exit(bool({'numpy', 'psutil', 'jsonschema', 'apsw'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_workers_start_without_the_heavy_packages() -> None:
    tasks = ("address", "concurrent", "ingest", "lookup")
    code = f"import sys, {', '.join(f'stat7.stress.tasks.{name}' for name in tasks)}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_old_name_is_the_same_program(checkout: Path) -> None:
    script = checkout / "scripts" / "run_stress_test.py"
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "stat7 stress --quick" in done.stdout


def test_secrets_in_urls_do_not_get_into_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stat7", "stress", "--store", "postgresql://ada:secret@host/db"])
    assert "secret" not in command._command()
    assert command._command().startswith("stat7 stress --store")


def test_the_command_in_the_results_can_be_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/run_stress_test.py", "--full", "--output", "my results"])
    assert command._command() == "stat7 stress --full --output 'my results'"
    monkeypatch.setattr(sys, "argv", ["stat7"])
    assert command._command() == "stat7 stress"
