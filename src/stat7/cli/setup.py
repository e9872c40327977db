"""init and completion: once per deployment."""

from __future__ import annotations

import os
from pathlib import Path

import click

from stat7.cli.config import chosen_extras, repository_options
from stat7.cli.output import to_json
from stat7.cli.writing import new_file
from stat7.registry import DEFAULT_STORE, SETTINGS_FILE, files_beside, redact

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.option("--force", is_flag=True, help="Replace a stat7.toml that is here already.")
@repository_options
def init(force: bool, store: str | None, files: str | None) -> None:
    """Choose where entities and files are kept: makes both and writes stat7.toml, which later commands find.

    Without --files they are kept beside the store: in library-files for library.db.

    \b
    Examples:
      stat7 init
      stat7 init --store sqlite:library.db --files file:library-files
    """
    from stat7.opening import open as open_urls

    store = store or DEFAULT_STORE
    files = files or files_beside(store)
    extras = chosen_extras()
    settings = {"store": store, "files": files, **extras._asdict()}
    secret = any(redact(url) != url for url in settings.values())
    with new_file(Path(SETTINGS_FILE), force=force, private=secret) as target:
        with open_urls(store, files=files, cache=extras.cache or None, replica=extras.replica or None) as repo:
            count = repo.store.count()
            # A bucket that isn't there is better heard of now.
            repo.files.scan(None, 1)
        text = "# Where stat7 keeps things; relative paths start at this file's folder.\n"
        text += "".join(f"{name} = {to_json(url)}\n" for name, url in settings.items() if url)
        target.write(text.encode())
    click.echo(f"wrote {SETTINGS_FILE}: entities in {redact(store)} ({count:,} there), files in {redact(files)}")
    if secret:
        click.echo(
            f"{SETTINGS_FILE} may hold a password: only you can read it; keep it out of archives and repositories"
        )
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
