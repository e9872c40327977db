"""stress: measure how far this machine, or the store that is given, goes. The work is done by stat7.stress."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stat7.cli.output import note, print_json, print_table, progress
from stat7.errors import ConfigError

if TYPE_CHECKING:
    from stat7.stress.results import Results, TestResult
    from stat7.stress.runner import Settings

NEEDED = ("numpy", "psutil", "jsonschema")


@click.command()
@click.option("--quick", is_flag=True, help="10K and 100K entities, at most a minute (the default).")
@click.option("--full", is_flag=True, help="1K to 10M entities, at most ten minutes and 2 GB of memory.")
@click.option("--store", metavar="URL", help="Measure this store, not one of the run's own; what is added is removed.")
@click.option("--files", metavar="URL", help="The files that go with --store.")
@click.option("--output", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), default=Path(),
              help="Where the results file goes (default: here).")  # fmt: skip
@click.option("--seed", metavar="N", type=click.IntRange(0, 2**31), default=7, show_default=True,
              help="The number that the entities are made from; the same one makes the same entities.")  # fmt: skip
@click.option("--profile", metavar="NAME", default="seed", show_default=True,
              help="The set of targets to judge by; the one named seed has nothing to do with --seed.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the results as one line of JSON.")
@click.option("--self-test", is_flag=True, help="Prove that each check can fail, on sabotaged stores and addressers.")
@click.pass_context
def stress(
    ctx: click.Context,
    quick: bool,
    full: bool,
    store: str | None,
    files: str | None,
    output: Path,
    seed: int,
    profile: str,
    as_json: bool,
    self_test: bool,
) -> None:
    """Measure address generation, collisions, memory, lookup, concurrent use and scaling, and judge them by targets.

    Writes STRESS_TEST_RESULTS_YYYYMMDD_HHMMSS.json. Exit code 0: every test PASS; 1: something FAIL or INVALID; 7: too
    little data for some verdict, nothing failed; 130: interrupted, and what was measured is written.

    \b
    Examples:
      stat7 stress --quick
      stat7 stress --full --output results
      stat7 stress --quick --store sqlite:library.db
      stat7 stress --self-test
    """
    if quick + full + self_test > 1:
        raise click.UsageError("--quick, --full and --self-test exclude each other")
    if files is not None and store is None:
        raise click.UsageError("--files goes with --store")
    _require_packages()
    if self_test:
        ctx.exit(_self_test(as_json))
    from stat7.stress.housing import given_location
    from stat7.stress.plan import FULL, QUICK
    from stat7.stress.runner import Settings
    from stat7.stress.targets import find_profile

    _require_folder(output)
    settings = Settings(
        FULL if full else QUICK,
        seed,
        profile=find_profile(profile),
        given=None if store is None else given_location(store, files),
        command=_command(),
    )
    ctx.exit(_run(settings, output, as_json))


def _run(settings: Settings, output: Path, as_json: bool) -> int:
    from stat7.stress.results import exit_code, write
    from stat7.stress.runner import run

    with progress(staged=False) as report:
        results = run(settings, report, _say)
    if as_json:
        print_json(results.as_dict())
    else:
        _print(results)
    try:
        note(f"results: {write(results, output)}")
    except OSError as error:
        raise ConfigError(f"--output: {output}: the results can't be written there: {error.strerror}") from None
    return exit_code(results)


def _print(results: Results) -> None:
    from stat7.stress.summary import COLOURS, COLUMNS, reasons, rows, verdict_line

    # On a narrow terminal the figures wrap, and nothing is cut off.
    print_table(
        COLUMNS,
        rows(results),
        right=("scale",),
        wrapped=("test", "key figures", "target"),
        colours={verdict.value: colour for verdict, colour in COLOURS.items()},
    )
    for line in reasons(results):
        click.echo(line)
    run = results.run
    peak = "" if run.peak_anonymous_bytes is None else f", at most {run.peak_anonymous_bytes / 1e6:,.0f} MB of memory"
    state = "interrupted; " if run.interrupted else ""
    click.echo(f"{state}{verdict_line(results.tests)} in {run.seconds:.0f} s{peak}")


def _say(result: TestResult) -> None:
    """A line for each result where no progress bar is drawn."""
    from stat7.stress.runner import short

    if not sys.stderr.isatty():
        note(f"{result.verdict.value:<8} {result.name} {result.variant} {short(result.scale)} ({result.seconds:.1f} s)")


def _self_test(as_json: bool) -> int:
    from stat7.stress.self_test import as_dict, self_test

    with progress(staged=False) as report:
        found = self_test(report)
    matrix = as_dict(found)
    if as_json:
        print_json(matrix)
    else:
        print_table(
            ("sabotage", "test", "verdict", "caught", "why"),
            [
                (
                    caught.case.name,
                    caught.case.test,
                    caught.result.verdict.value,
                    "NO" if not caught.as_expected else "-" if caught.case.sound else "yes",
                    caught.result.why,
                )
                for caught in found
            ],
        )
    return 0 if matrix["all_as_expected"] else 1


def _require_packages() -> None:
    """Raises ConfigError unless what the harness needs beyond stat7 itself is installed."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f'{", ".join(missing)} not installed: run pip install "stat7[stress]"')


def _require_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--output: {folder}: {error.strerror or error}; name a folder that can be written") from None


def _command() -> str:
    """The command line as it was given, secrets in URLs hidden."""
    from stat7.registry import redact

    given = sys.argv[1:]
    words = given if "stress" in given[:1] else ["stress", *given]  # scripts/run_stress_test.py leaves the word out
    return shlex.join(["stat7", *map(redact, words)])
