"""The `stat7` command: the table of subcommands, loaded one by one, and what errors become: a line and an exit code."""

from __future__ import annotations

import errno
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import Final, TextIO

import click

from stat7 import __version__
from stat7.cli.output import plain
from stat7.errors import (
    ConfigError,
    Conflict,
    Corrupt,
    Gone,
    InvalidEntity,
    InvalidQuery,
    NotFound,
    Stat7Error,
    StoreFull,
    Unavailable,
    Unsupported,
)
from stat7.registry import DEFAULT_STORE, files_beside

OK: Final = 0
BAD_INPUT: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
CONFLICT: Final = 4
CORRUPT: Final = 5
UNAVAILABLE: Final = 6
INTERRUPTED: Final = 130

EXIT_CODES: Final[dict[type[Stat7Error], int]] = {
    InvalidEntity: BAD_INPUT,
    InvalidQuery: USAGE,
    ConfigError: USAGE,
    Unsupported: USAGE,
    NotFound: NOT_FOUND,
    Gone: NOT_FOUND,
    Conflict: CONFLICT,
    Corrupt: CORRUPT,
    Unavailable: UNAVAILABLE,
    StoreFull: UNAVAILABLE,
}

GC_THRESHOLDS: Final = (50_000, 20, 20)
"""For gc.set_threshold: looking for cycles among millions of small objects that have none takes a fifth of the time."""

_FULL: Final = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}

# Command: (module under stat7.cli, attribute, one line for `stat7 --help`). The order is that of the help.
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "init": ("setup", "init", "Choose where entities and files are kept (writes stat7.toml)."),
    "import": ("importing", "import_group", "Bring in entities, a table, a folder of files, or a git history."),
    "put": ("entities", "put", "Store one entity document; prints its address."),
    "get": ("entities", "get", "Print the document stored under an address."),
    "find": ("finding", "find", "Find entities by their coordinates."),
    "explain": ("finding", "explain", "Show how a find would be answered: the index used, or a scan."),
    "head": ("entities", "head", "Print the address of the current version of an id."),
    "history": ("entities", "history", "List the versions of an id, newest first."),
    "neighbours": ("entities", "neighbours", "List the ids next to an id, in both directions."),
    "address": ("entities", "address", "Print the address of a document without storing it."),
    "file": ("files", "file_group", "Store and read files by the SHA-256 of their bytes."),
    "export": ("transfer", "export", "Write entities as canonical NDJSON."),
    "copy": ("transfer", "copy", "Copy everything from one store to another; resumable."),
    "digest": ("transfer", "digest", "Print one digest that proves what the store holds."),
    "verify": ("upkeep", "verify", "Hash everything again; check heads, files and indexes."),
    "withdraw": ("upkeep", "withdraw", "Erase documents or file bytes for good and leave a receipt."),
    "gc": ("upkeep", "gc", "Delete files that no document names."),
    "stats": ("upkeep", "stats", "Count what is stored."),
    "doctor": ("upkeep", "doctor", "Check that this deployment is durable, indexed and reachable."),
    "serve": ("serving", "serve", "Serve the store over HTTP, with an explorer to look at."),
    "admin": ("admin", "admin_group", "Set up servers: keys of a gateway, one store of several."),
    "stress": ("stress", "stress", "Measure how far this machine or deployment goes."),
    "completion": ("setup", "completion", "Print the script that teaches your shell to complete stat7."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is run (start-up stays quick)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"stat7.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help's list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


HELP: Final = f"""stat7 keeps entities and files under the SHA-256 of their bytes, with seven queryable coordinates.

\b
First steps:
  stat7 init                             choose where things are kept
  stat7 import files ~/Pictures          one entity per file, found by meaning
  stat7 find --realm data --density 0.5..
  stat7 get ADDRESS --raw | sha256sum    prints ADDRESS
  stat7 stress --quick                   how far does this machine go?

The store comes from --store, else STAT7_STORE, else the nearest stat7.toml, else {DEFAULT_STORE}. Its files come from
--files, STAT7_FILES or that stat7.toml, else they are beside the store ({files_beside(DEFAULT_STORE)}); what was named
for another store doesn't count. `stat7 doctor` shows both. `stat7 COMMAND --help` has examples.
The store may be a gateway, --store https://HOST:7007: every command works on it, with the key in STAT7_KEY.
"""


@click.command(
    cls=LazyGroup,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 ok, 1 bad input or failed check, 2 usage, 3 not found or gone, 4 conflict, 5 corrupt, "
    "6 unavailable or full, 7 stress undecided, 130 interrupted.",
)
@click.version_option(__version__, prog_name="stat7")
def cli() -> None:
    """The group of all commands."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; every foreseen failure is one line on standard error."""
    gc.set_threshold(*GC_THRESHOLDS)
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _prepare_streams()
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader (head, less) has what it wanted.
        _settle(sys.stdout)
        return OK
    except OSError as error:
        return _system_failed(error)
    finally:
        _settle(sys.stderr)


def _run(arguments: list[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="stat7", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return OK
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Stat7Error as error:
        _complain(str(error))
        return EXIT_CODES.get(type(error), BAD_INPUT)
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted; whatever was in progress can be run again")
        return INTERRUPTED
    return code if isinstance(code, int) else OK


def _prepare_streams() -> None:
    """The same text on every system: UTF-8 also in a pipe on Windows, and what can't be written escaped.

    A stream that was closed before the start gets a descriptor that fails in use: the next file to be opened, the
    store perhaps, would get its number, and be written to. What nobody can read about is lost.
    """
    for name, mode, flags in (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _system_failed(error: OSError) -> int:
    """Tell of an OSError that a command met in reading or writing by itself; the stores have errors of their own."""
    _settle(sys.stdout)
    unnamed = "the current folder" if error.errno == errno.ENOENT else "standard input or output"
    full = error.errno in _FULL
    advice = "; free some space and run this again" if full else ""
    _complain(f"{error.filename or unnamed}: {error.strerror or error}{advice}")
    return UNAVAILABLE if full else USAGE


def _settle(stream: TextIO) -> None:
    """Write out what waits on a standard stream; if that fails drop it, so that the interpreter needn't try at exit (it
    would end with a code of its own).
    """
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _complain(text: str) -> None:
    line = plain(" ".join(text.splitlines()))
    with suppress(OSError):  # where standard error fails too, the exit code is left to tell
        click.echo(f"{click.style('stat7:', fg='red', bold=True)} {line}", err=True)
