"""Which repository a command works on: options, environment, the nearest stat7.toml, defaults."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import click

from stat7.errors import ConfigError

if TYPE_CHECKING:
    from stat7.repository import Repository

FILE_NAME: Final = "stat7.toml"
DEFAULTS: Final = {"store": "sqlite:stat7.db", "files": "file:stat7-files"}
ENVIRONMENT: Final = {"store": "STAT7_STORE", "files": "STAT7_FILES"}

Function = TypeVar("Function", bound=Callable[..., Any])


def repository_options(function: Function) -> Function:
    """Give a command --store and --files."""
    files = click.option("--files", metavar="URL", help="Where files are kept, e.g. file:library-files.")
    store = click.option("--store", metavar="URL", help="Where entities are kept, e.g. sqlite:library.db.")
    return store(files(function))


def open_repository(store: str | None, files: str | None, *, create: bool = False) -> Repository:
    """The repository that a command works on. Unless `create`, a local store that doesn't exist is a ConfigError."""
    from stat7.opening import open as open_urls

    settings = find_settings()
    store_url = store or settings["store"]
    files_url = files or settings["files"]
    if not create:
        _must_exist(store_url)
    return open_urls(store_url, files=files_url)


def open_pair(text: str, *, create: bool = False) -> Repository:
    """A repository from `STORE` or `STORE,FILES`; without FILES `sqlite:X.db` goes with `file:X-files` beside it."""
    from stat7.opening import open as open_urls

    store, files = split_pair(text)
    if not create:
        _must_exist(store)
    return open_urls(store, files=files)


def split_pair(text: str) -> tuple[str, str]:
    """The URLs of store and files in `STORE,FILES`, or in `STORE` alone by the rule of `open_pair`."""
    parts = re.split(r",(?=[a-z][a-z0-9+]*:)", text)
    if len(parts) == 2:
        return parts[0], parts[1]
    if len(parts) > 2:
        raise ConfigError(f"{text!r} is not STORE or STORE,FILES")
    from stat7.registry import anchored, local_path

    path = local_path(text)
    if path is None:
        return text, "memory:"
    return text, anchored(f"file:{quote(path.stem)}-files", path.absolute().parent)


def find_settings() -> dict[str, str]:
    """URLs of store and files from the environment, else the nearest stat7.toml, else the defaults."""
    settings = dict(DEFAULTS)
    path = nearest_file(Path.cwd())
    if path is not None:
        settings |= read_file(path)
    for name, variable in ENVIRONMENT.items():
        if os.environ.get(variable):
            settings[name] = os.environ[variable]
    return settings


def nearest_file(folder: Path) -> Path | None:
    """The stat7.toml in this folder or the nearest one above."""
    return next((path for here in (folder, *folder.parents) if (path := here / FILE_NAME).is_file()), None)


def read_file(path: Path) -> dict[str, str]:
    """The settings in a stat7.toml; paths are relative to its folder. Raises ConfigError naming file and key."""
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    for name, value in given.items():
        if name not in DEFAULTS or not isinstance(value, str):
            raise ConfigError(f"{path}: {name}: expected one of {', '.join(DEFAULTS)}, each a URL in quotes")
    from stat7.registry import anchored

    return {name: anchored(url, path.parent) for name, url in given.items()}


def _must_exist(url: str) -> None:
    from stat7.registry import local_path

    path = local_path(url)
    if path is not None and not path.exists():
        raise ConfigError(f"there is no store at {path}; make one with `stat7 init`, or name it with --store")
