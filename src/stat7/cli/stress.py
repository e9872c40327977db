"""stress: measure how far this machine, or the store that is given, goes. The work is done by stat7.stress."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from stat7.cli.output import note, print_json, print_table, progress
from stat7.errors import ConfigError

if TYPE_CHECKING:
    from stat7.stress.results import BreakingPoint, ExperimentResult, Results, TestResult
    from stat7.stress.runner import Settings

NEEDED = ("numpy", "scipy", "psutil", "jsonschema", "matplotlib")
MOST_ENTITIES: Final = 10_000_000


class _Scales(click.ParamType[tuple[int, ...]]):
    """`1K,10K,1M`: rising numbers of entities."""

    name = "scales"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers."""
        found = [re.fullmatch(r"([0-9]{1,8})([KM]?)", part.strip().upper()) for part in str(value).split(",")]
        scales = [int(each[1]) * {"": 1, "K": 1000, "M": 1_000_000}[each[2]] for each in found if each is not None]
        rising = all(before < after for before, after in pairwise([0, *scales]))
        if len(scales) < len(found) or not rising or scales[-1] > MOST_ENTITIES:
            self.fail(f"{value!r} must be rising numbers up to 10M, such as 1K,100K", param, ctx)
        return tuple(scales)


@click.group(invoke_without_command=True)
@click.option("--quick", is_flag=True, help="10K and 100K entities, at most a minute (the default).")
@click.option("--full", is_flag=True, help="1K to 10M entities, at most ten minutes and 2 GB of memory.")
@click.option(
    "--scales", metavar="N,N", type=_Scales(), help="Scales of your own, such as 1K,50K, measured as --quick."
)
@click.option("--experiment", "experiments", metavar="NAME", multiple=True,
              help="Run this experiment alone: EXP-01 to EXP-08, or all; may be repeated.")  # fmt: skip
@click.option("--store", metavar="URL", help="Measure this store, not one of the run's own; what is added is removed.")
@click.option("--files", metavar="URL", help="The files that go with --store.")
@click.option("--gateway", metavar="URL", help="Measure the store behind this gateway.")
@click.option("--media", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Pictures and movies for EXP-04, -06 and -08 (default: those of `make demo`).")  # fmt: skip
@click.option("--output", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), default=Path(),
              help="Where the results file and its reports go (default: here).")  # fmt: skip
@click.option("--resume", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Go on with the run that was interrupted and wrote this results file.")  # fmt: skip
@click.option("--seed", metavar="N", type=click.IntRange(0, 2**31), default=7, show_default=True,
              help="The number that the entities are made from; the same one makes the same entities.")  # fmt: skip
@click.option("--profile", metavar="NAME",
              help="Targets to judge by: seed, embedded, postgresql, cluster, gateway, or your own NAME.toml (default: "
              "what suits the store; the one named seed has nothing to do with --seed).")  # fmt: skip
@click.option("--no-report", is_flag=True, help="Write the results file alone, no reports beside it.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one line of JSON.")
@click.option("--self-test", is_flag=True, help="Prove on sabotaged subjects that each check can fail (ten minutes).")
@click.pass_context
def stress(ctx: click.Context, /, **options: Any) -> None:
    """Measure address generation, collisions, memory, lookup, concurrent use, load and scaling, judged by targets.

    Writes STRESS_TEST_RESULTS_YYYYMMDD_HHMMSS.json and a folder of that name with reports. Exit code 0: every verdict
    PASS; 1: something FAIL or INVALID; 7: too little data for some verdict, nothing failed; 130: interrupted, and what
    was measured is written.

    \b
    Examples:
      stat7 stress --quick
      stat7 stress --full --output results
      stat7 stress --quick --store sqlite:library.db
      stat7 stress --experiment EXP-01 --experiment EXP-03
      stat7 stress --resume STRESS_TEST_RESULTS_20260131_120000.json
      stat7 stress --self-test
      stat7 stress report STRESS_TEST_RESULTS_20260131_120000.json
      stat7 stress compare before/ after/
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return
    _require_packages()
    given = Options(**options)
    if given.quick + given.full + given.self_test + (given.scales is not None) > 1:
        raise click.UsageError("--quick, --full, --scales and --self-test exclude each other")
    if given.store is not None and given.gateway is not None:
        raise click.UsageError("--store and --gateway exclude each other")
    if given.files is not None and given.store is None:
        raise click.UsageError("--files goes with --store")
    if given.self_test:
        ctx.exit(_self_test(given.as_json))
    _require_folder(given.output)
    ctx.exit(_run(_settings(ctx, given), given))


@stress.command()
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Where the folder of reports goes, which is named like the file (default: beside it).")  # fmt: skip
def report(file: Path, output: Path | None) -> None:
    """Write the reports of a results file: four documents with plots, and one page that holds everything.

    \b
    Example:
      stat7 stress report STRESS_TEST_RESULTS_20260131_120000.json
    """
    _require_packages()
    from stat7.stress.results import read

    folder = file.with_suffix("") if output is None else output / file.stem
    _require_folder(folder.parent)
    try:
        source = os.path.relpath(file, folder.parent).replace(os.sep, "/")
    except ValueError:  # on another drive
        source = file.name
    _report(read(file), folder, source)


@stress.command()
@click.argument("before", metavar="A", type=click.Path(exists=True, path_type=Path))
@click.argument("after", metavar="B", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as one line of JSON.")
@click.pass_context
def compare(ctx: click.Context, before: Path, after: Path, as_json: bool) -> None:
    """Say whether runs B differ from runs A, figure by figure; each is a results file or a folder of them.

    Of a hundred comparisons of equal things at most one names a difference anywhere. What differs less than it could
    have shown is said to be "no difference shown", and the smallest change that would have been is printed. Several
    runs on each side, taken in turns, show much smaller differences than one. Exit code 1: B is slower or larger.

    \b
    Examples:
      stat7 stress compare STRESS_TEST_RESULTS_20260131_120000.json STRESS_TEST_RESULTS_20260201_120000.json
      stat7 stress compare before/ after/
    """
    _require_packages()
    from stat7.stress.compare import compare as compared
    from stat7.stress.compare import read_side, words

    found = compared(read_side(before), read_side(after))
    if as_json:
        print_json(found.as_dict())
    else:
        print_table(words.COLUMNS, words.rows(found), colours=words.COLOURS)
        for line in (*words.basis(found), *found.warnings, *found.left_out, *found.verdicts, found.conclusion):
            click.echo(line)
    ctx.exit(1 if any(each.finding in ("slower", "larger") for each in found.found) else 0)


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    quick: bool
    full: bool
    scales: tuple[int, ...] | None
    experiments: tuple[str, ...]
    store: str | None
    files: str | None
    gateway: str | None
    media: Path | None
    output: Path
    resume: Path | None
    seed: int
    profile: str | None
    no_report: bool
    as_json: bool
    self_test: bool


def _refuse_options(ctx: click.Context) -> None:
    """Options before a subcommand would be ignored: say so."""
    given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        word = f"--{given[0].replace('_', '-')}"
        raise click.UsageError(f"{word} doesn't go with {ctx.invoked_subcommand}; write its options behind it")


def _settings(ctx: click.Context, given: Options) -> Settings:
    from stat7.stress.experiments import NAMES, find_experiment
    from stat7.stress.housing import given_location
    from stat7.stress.plan import FULL, QUICK, scales_of
    from stat7.stress.results import read
    from stat7.stress.runner import Settings
    from stat7.stress.targets import find_profile

    before = None if given.resume is None else read(given.resume)
    mode = FULL if given.full else QUICK if given.scales is None else scales_of(given.scales)
    seed, profile = given.seed, given.profile
    names: Sequence[str] = NAMES if "all" in given.experiments else given.experiments
    if before is not None:
        if not before.run.interrupted:
            raise ConfigError(f"--resume: {given.resume} is the whole run, nothing is left to do")
        asked = [name for name in ("quick", "full", "scales", "experiments", "seed", "profile")
                 if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]  # fmt: skip
        if asked:
            raise click.UsageError(f"--resume goes on as the run began: leave --{asked[0]} out")
        mode = {"quick": QUICK, "full": FULL}.get(before.run.mode) or scales_of(before.settings["scales"])
        seed, profile = before.run.seed, before.settings["profile"]
        names = before.settings["experiments"]
    store = given.store or given.gateway
    return Settings(
        mode,
        seed,
        profile=find_profile(profile, store),
        given=None if store is None else given_location(store, given.files),
        command=_command(),
        experiments=[find_experiment(name) for name in names],
        before=before,
        media=given.media,
    )


def _run(settings: Settings, given: Options) -> int:
    from stat7.stress.results import exit_code, write
    from stat7.stress.runner import run

    with progress(staged=False) as tell:
        results = run(settings, tell, _say)
    if given.as_json:
        print_json(results.as_dict())
    else:
        _print(results)
    try:
        path = write(results, given.output)
    except OSError as error:
        raise ConfigError(f"--output: {given.output}: the results can't be written there: {error.strerror}") from None
    note(f"results: {path}")
    if not given.no_report:
        _report(results, path.with_suffix(""), path.name)
    return exit_code(results)


def _report(results: Results, folder: Path, source: str) -> None:
    from stat7.stress.report import write

    try:
        written = write(results, folder, source)
    except OSError as error:
        raise ConfigError(f"the reports can't be written to {folder}: {error.strerror or error}") from None
    page = next((path for path in written if path.suffix == ".html"), folder)
    note(f"reports: {folder} (open {page.name} in a browser)")


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
    click.echo(f"{state}{verdict_line(results)} in {run.seconds:.0f} s{peak}")


def _say(result: TestResult | ExperimentResult | BreakingPoint) -> None:
    """A line for each result where no progress bar is drawn."""
    from stat7.stress.summary import line

    if not sys.stderr.isatty():
        note(line(result))


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
                    caught.name,
                    caught.test,
                    caught.verdict,
                    {None: "?", False: "NO"}.get(caught.as_expected, "-" if caught.sound else "yes"),
                    caught.why,
                )
                for caught in found
            ],
        )
    if matrix["all_as_expected"]:
        return 0
    return 1 if any(caught.as_expected is False for caught in found) else 7


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
