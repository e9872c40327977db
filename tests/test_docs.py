"""What the documents tell a reader to type exists: commands and options of stat7, targets of make, linked files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from stat7.cli.app import cli

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("spec/**/*.md"))]

# `stat7` where a shell or a piece of inline code begins a command, and what follows up to the end of that command.
_STAT7 = re.compile(r"(?:^\s*|[`$|;&(]\s?)stat7 ([^`|;&()<>#·\n]+)", re.MULTILINE)
_MAKE = re.compile(r"(?:^\s*|`)make ([a-z][a-z-]*)", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def fault(line: str) -> str | None:
    """What is wrong with the arguments of stat7 in `line`; None if every command and option of it exists."""
    try:
        words = shlex.split(line)
    except ValueError:  # a quote that goes on in the next line
        words = line.split()
    command: click.Command = cli
    is_value = False
    for word in words:
        context = click.Context(command)
        if is_value:
            is_value = False
        elif word.startswith("-") and word != "-":
            name, equals, _ = word.rstrip(",").partition("=")
            options = {each: option for option in command.get_params(context) for each in _names(option)}
            if name not in options:
                return f"{command.name} has no option {name}"
            is_value = not equals and _takes_value(options[name])
        elif isinstance(command, click.Group):
            if not word.islower():  # COMMAND, …
                return None
            found = command.get_command(context, word)
            if found is None:
                return f"no command {word} in `stat7 {line}`"
            command = found
    return None


def _names(option: click.Parameter) -> list[str]:
    return [*option.opts, *option.secondary_opts]


def _takes_value(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and not option.is_flag and not option.count


def commands(text: str) -> Iterator[str]:
    """The arguments of every `stat7 …` that a document tells the reader to type, longer lines joined."""
    for match in _STAT7.finditer(re.sub(r"\\\n\s*", " ", text)):
        # What stands further to the right explains the command.
        yield re.split(r"\s{2,}", match.group(1).strip())[0]


def targets(makefile: str) -> set[str]:
    """The targets that a Makefile's rules define."""
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


def in_prose(name: str) -> bool:
    """Whether `make NAME` is no command but English (`make sure`)."""
    return name in {"it", "sense", "sure", "them"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_and_option_named_exists(document: Path) -> None:
    faults = [found for line in commands(document.read_text("utf-8")) if (found := fault(line))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_make_target_named_exists(document: Path) -> None:
    known = targets((ROOT / "Makefile").read_text("utf-8"))
    named = set(_MAKE.findall(document.read_text("utf-8")))
    assert {name for name in named - known if not in_prose(name)} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_linked_file_exists(document: Path) -> None:
    links = _LINK.findall(document.read_text("utf-8"))
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing, f"links lead nowhere: {', '.join(missing)}"


def test_the_readme_names_enough_to_be_worth_checking() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(list(commands(text))) > 15
    assert {"demo", "test"} <= set(_MAKE.findall(text))


@pytest.mark.parametrize(
    "line",
    [
        "gett ADDRESS",
        "get ADDRESS --rwa",
        "file fetch X",
        "--verson",
        "find --realm=x --lineages 3",
        "stress --store x reprot",
    ],
)
def test_a_planted_mistake_is_found(line: str) -> None:
    assert fault(line) is not None


def test_commands_are_found_wherever_a_shell_would_run_them() -> None:
    text = "$ stat7 get A --raw | sha256sum\nA=$(stat7 put a)\nuse `stat7 find --realm x`, or stat7\nx | stat7 put -\n"
    assert list(commands(text)) == ["get A --raw", "put a", "find --realm x", "put -"]
