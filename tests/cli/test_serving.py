"""What `stat7 serve` is told: every limit can be set, and what makes no sense is refused before anything is opened."""

from __future__ import annotations

from dataclasses import fields

import pytest
from click.shell_completion import ShellComplete

from stat7.cli.app import cli
from stat7.gateway.serving import Deployment
from stat7.gateway.settings import LIMITS, Limits, Rate, Settings, read_size, shown_size
from tests.cli.conftest import Run

OWN = {"body": "--max-body", "file": "--max-file", "idle": "--idle", "requests": "--max-requests"}
NAMES = [each.name for each in fields(Limits)]


@pytest.fixture
def told(run: Run, monkeypatch: pytest.MonkeyPatch) -> list[Deployment]:
    """What a gateway would have been told, had it been started."""
    found: list[Deployment] = []
    monkeypatch.setattr("stat7.gateway.serving.serve", lambda deployment, say: found.append(deployment))
    return found


def settings(run: Run, told: list[Deployment], *options: str) -> Settings:
    """Those of a gateway with these options."""
    done = run("serve", *options)
    assert done.code == 0, done.err
    return told.pop().settings


@pytest.mark.parametrize("name", NAMES)
def test_every_limit_can_be_set_and_no_other_changes(run: Run, told: list[Deployment], name: str) -> None:
    options = [OWN[name], "4321"] if name in OWN else ["--limit", f"{name}=4321"]
    if name == "idle":
        options[1] = "321.5"
    found = settings(run, told, *options).limits
    assert {each: getattr(found, each) for each in NAMES if getattr(found, each) != getattr(Limits(), each)} == {
        name: 321.5 if name == "idle" else 4321
    }
    assert type(getattr(found, name)) is type(getattr(Limits(), name))


def test_limits_are_given_together_in_units_and_the_last_word_counts(run: Run, told: list[Deployment]) -> None:
    words = ("line=512KiB", "decompressed=2GiB", "query=0.25", "calls=3", "calls=4")
    limits = settings(run, told, *[part for word in words for part in ("--limit", word)], "--max-body", "3MiB").limits
    assert (limits.line, limits.decompressed, limits.query, limits.calls) == (512 * 1024, 2 * 1024**3, 0.25, 4)
    assert limits.body == 3 * 1024 * 1024


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("speed=1", "NAME is one of decompressed, line, lines,"),
        ("calls", "NAME is one of decompressed"),
        ("body=5", "body has an option of its own, --max-body"),
        ("requests=5", "--max-requests"),
        ("calls=0", "calls: '0' is not a whole number from 1"),
        ("calls=-1", "calls: '-1' is not a whole number"),
        ("calls=1.5", "calls: '1.5' is not a whole number"),
        ("calls=9999999999", "to 1000000000"),
        ("line=0", "line: '0' is no size"),
        ("line=4MB", "write bytes, or such as 512KiB"),
        ("line=9999999999GiB", "is no size"),
        ("query=nan", "query: 'nan' is not a number of seconds from 0.001 to 86400"),
        ("query=inf", "number of seconds"),
        ("query=0", "number of seconds"),
        ("query=-3", "number of seconds"),
        ("query=90000", "number of seconds"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(run: Run, told: list[Deployment], word: str, said: str) -> None:
    done = run("serve", "--limit", word)
    assert (done.code, told) == (2, [])
    shown = " ".join(done.err.split())
    assert "--limit" in shown
    assert said in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", "read=5/s:0"], "--rate read=5/s:0: with a burst below 1 no request would ever be taken"),
        (["--rate", "read=0/s"], "where N is above 0"),
        (["--rate", "read=inf/s"], "--rate read=inf/s: write KIND=N/s"),
        (["--rate", f"read={'9' * 400}/s"], "write KIND=N/s"),
        (["--rate", f"read=1/s:{'9' * 400}"], "write KIND=N/s"),
        (["--rate", "read=-1/s"], "write KIND=N/s"),
        (["--idle", "nan"], "'--idle': nan is not a finite number"),
        (["--idle", "inf"], "'--idle'"),
        (["--idle", "0"], "'--idle'"),
        (["--scrub", "nan"], "'--scrub': nan is not a finite number"),
        (["--scrub", "inf"], "'--scrub'"),
        (["--scrub", "-1"], "'--scrub'"),
        (["--max-body", "0"], "'--max-body'"),
        (["--max-body", "512"], "'--max-body': 512 is less than 1024 bytes"),
        (["--max-file", "-1"], "'--max-file'"),
        (["--max-requests", "0"], "'--max-requests'"),
        (["--tls-cert", "absent.pem", "--tls-key", "absent.pem"], "'--tls-cert'"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_the_name_of_the_option(
    run: Run, told: list[Deployment], options: list[str], said: str
) -> None:
    done = run("serve", *options)
    assert (done.code, told) == (2, [])
    assert said in " ".join(done.err.split())


def test_rates_are_as_they_were_given(run: Run, told: list[Deployment]) -> None:
    rates = settings(run, told, "--rate", "read=5/s:1", "--rate", "find=0.2/s").rates
    assert (rates["read"], rates["find"], rates["admin"]) == (Rate(5, 1), Rate(0.2, 1), Rate(20, 40))


def test_help_lists_every_limit_with_its_default(run: Run) -> None:
    text = run("serve", "--help").text
    lines = {line.split()[0]: line for line in text[text.index("--limit NAME=VALUE; sizes") :].splitlines()[1:] if line}
    assert list(lines) == [name for name in NAMES if name not in OWN]
    assert "(4MiB)" in lines["line"]
    assert "(200000)" in lines["lines"]
    assert "(30)" in lines["query"]
    for name, option in OWN.items():
        shown = next(line for line in text.splitlines() if line.strip().startswith(option))
        assert f"({LIMITS[name].shown})" in shown


def test_the_shell_completes_the_names_of_limits() -> None:
    completion = ShellComplete(cli, {}, "stat7", "_STAT7_COMPLETE")
    found = [each.value for each in completion.get_completions(["serve", "--limit"], "li")]
    assert found == ["line=", "lines="]
    every = [each.value for each in completion.get_completions(["serve", "--limit"], "")]
    assert every == [f"{name}=" for name in NAMES if name not in OWN]


@pytest.mark.parametrize("size", [1, 1023, 1024, 1536, 4 * 1024**2, 64 * 1024**3])
def test_sizes_are_read_as_they_are_shown(size: int) -> None:
    assert read_size(shown_size(size)) == size
