"""init and completion: once per deployment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from stat7.cli.config import DEFAULTS, FILE_NAME, repository_options
from stat7.errors import ConfigError

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.option("--force", is_flag=True, help="Replace a stat7.toml that is here already.")
@repository_options
def init(force: bool, store: str | None, files: str | None) -> None:
    """Choose where entities and files are kept: makes both and writes stat7.toml, which later commands find.

    \b
    Examples:
      stat7 init
      stat7 init --store sqlite:library.db --files file:library-files
    """
    from stat7.opening import open as open_urls

    path = Path(FILE_NAME)
    if path.exists() and not force:
        raise ConfigError(f"{FILE_NAME} is here already; add --force to replace it")
    settings = {"store": store or DEFAULTS["store"], "files": files or DEFAULTS["files"]}
    with open_urls(settings["store"], files=settings["files"]) as repo:
        count = repo.store.count()
    text = "# Where stat7 keeps things; relative paths start at this file's folder.\n"
    text += "".join(f"{name} = {json.dumps(url, ensure_ascii=False)}\n" for name, url in settings.items())
    temporary = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)
    click.echo(f"wrote {FILE_NAME}: entities in {settings['store']} ({count:,} there), files in {settings['files']}")
    click.echo("next: stat7 import files FOLDER, stat7 put DOCUMENT, or stat7 doctor")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the script that makes your SHELL complete stat7's commands and options.

    \b
    Examples:
      eval "$(stat7 completion bash)"        for this session; in ~/.bashrc for all
      stat7 completion fish > ~/.config/fish/completions/stat7.fish
    """
    from click.shell_completion import get_completion_class

    from stat7.cli.app import cli

    name = shell or Path(os.environ.get("SHELL", "bash")).name
    found = get_completion_class(name)
    if found is None:
        raise click.UsageError(f"{name} can't be taught; there are {', '.join(_SHELLS)}")
    click.echo(found(cli, {}, "stat7", "_STAT7_COMPLETE").source())
