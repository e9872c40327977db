"""Which repository a command works on: options, environment, the nearest stat7.toml, the default."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from stat7.cli.output import note, plain
from stat7.errors import ConfigError
from stat7.registry import DEFAULT_STORE, PAIR, SETTINGS_FILE, anchored, files_beside, redact, split_pair

if TYPE_CHECKING:
    from stat7.repository import Repository

ENVIRONMENT: Final = {
    "store": "STAT7_STORE",
    "files": "STAT7_FILES",
    "cache": "STAT7_CACHE",
    "replica": "STAT7_REPLICA",
}

Function = TypeVar("Function", bound=Callable[..., Any])


class Places(NamedTuple):
    """Where a repository is: the URLs of its store and files, and what named each of them, in a few words."""

    store: str
    files: str
    store_from: str
    files_from: str

    def shown(self) -> dict[str, str]:
        """For people and JSON: credentials hidden, paths in full."""
        here = Path.cwd()
        urls = {"store": redact(anchored(self.store, here)), "files": redact(anchored(self.files, here))}
        return {**urls, "store_from": self.store_from, "files_from": self.files_from}


class Extras(NamedTuple):
    """What stands around a repository: the URLs of its cache and of the copy that it is mended from, empty if none."""

    cache: str = ""
    replica: str = ""

    def shown(self) -> dict[str, str]:
        """For people and JSON: credentials hidden; only what there is."""
        return {name: redact(url) for name, url in self._asdict().items() if url}


NO_EXTRAS: Final = Extras()


def repository_options(function: Function) -> Function:
    """Give a command --store and --files, and --cache and --replica, which `find_extras` finds."""
    for name, metavar, text in (
        ("replica", "STORE[,FILES]", "Another copy, from which damage is mended as it is read."),
        ("cache", "URL", "Where documents are cached, e.g. redis://localhost:6379/0."),
    ):
        add = click.option(f"--{name}", metavar=metavar, help=text, expose_value=False, callback=_remember)
        function = add(function)
    files = click.option("--files", metavar="URL", help="Where files are kept, e.g. file:library-files.")
    store = click.option("--store", metavar="URL", help="Where entities are kept, e.g. sqlite:library.db.")
    return store(files(function))


def open_repository(store: str | None, files: str | None, *, make: bool = False) -> Repository:
    """The repository that a command works on. Unless `make`, a store that isn't there is a ConfigError."""
    return open_places(find_places(store, files), find_extras(store), make=make)


def open_pair(text: str, *, make: bool = False) -> Repository:
    """A repository from `STORE` or `STORE,FILES`; without FILES they are the ones beside the store."""
    return open_places(Places(*split_pair(text), "", ""), make=make)


def open_places(places: Places, extras: Extras = NO_EXTRAS, *, make: bool = False) -> Repository:
    """Open a repository. Unless `make`, a store that isn't there is a ConfigError."""
    from stat7.opening import open as open_urls

    cache, replica = extras.cache or None, extras.replica or None
    try:
        return open_urls(places.store, files=places.files, cache=cache, replica=replica, make=make)
    except ConfigError as error:
        raise ConfigError(f"{error}{_origin(places)}") from None


def _origin(places: Places) -> str:
    """Where to look if a store that nobody named on the command line can't be used."""
    if places.store_from in ("", "--store"):
        return ""
    return f" ({'the default store' if places.store_from == 'default' else f'store from {places.store_from}'})"


def find_places(store: str | None, files: str | None) -> Places:
    """The store that is named first among the options, the environment, the nearest stat7.toml and the default.

    Its files are those that are named in the same place or an earlier one, else the files beside it: files that were
    named for one store are never taken for those of another. Raises ConfigError.
    """
    named, origin = "", ""
    for place in _in_order(store, files):
        if not named:
            named, origin = place.files, place.files_from
        if place.store:
            break
    if not named:
        named, origin = files_beside(place.store), "beside the store"
    return Places(place.store, named, place.store_from, origin)


def find_extras(store: str | None) -> Extras:
    """Cache and replica of the store that `find_places` finds: like its files, each is what is named in the same place
    as the store or in an earlier one. Raises ConfigError.
    """
    found = Extras()
    for names_store, named in _extras_in_order(store):
        found = Extras(*(first or then for first, then in zip(found, named, strict=True)))
        if names_store:
            break
    return found


def chosen_extras() -> Extras:
    """What the options --cache and --replica of the running command say."""
    context = click.get_current_context(silent=True)
    options = context.meta if context is not None else {}
    return Extras(*(options.get(f"{__name__}.{name}") or "" for name in Extras._fields))


def _extras_in_order(store: str | None) -> Iterator[tuple[bool, Extras]]:
    """Whether each place names a store, and what it names besides."""
    yield bool(store), chosen_extras()
    given = {name: os.environ.get(variable, "") for name, variable in ENVIRONMENT.items()}
    yield bool(given["store"]), Extras(given["cache"], given["replica"])
    path = nearest_file(Path.cwd(), aloud=False)
    settings = read_file(path) if path is not None else {}
    yield True, Extras(settings.get("cache", ""), settings.get("replica", ""))


def _remember(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Keep an option where `find_extras` looks, so that not every command has to hand it on."""
    context.meta[f"{__name__}.{option.name}"] = value


def _in_order(store: str | None, files: str | None) -> Iterator[Places]:
    """What each place names, empty texts where it names nothing."""
    yield Places(store or "", files or "", "--store", "--files")
    names = ENVIRONMENT["store"], ENVIRONMENT["files"]
    yield Places(os.environ.get(names[0], ""), os.environ.get(names[1], ""), *names)
    path = nearest_file(Path.cwd())
    if path is not None:
        settings = read_file(path)
        yield Places(settings["store"], settings.get("files", ""), str(path), str(path))
    yield Places(DEFAULT_STORE, "", "default", "")


def nearest_file(folder: Path, *, aloud: bool = True) -> Path | None:
    """The stat7.toml in this folder or the nearest one above; one that another user made is passed over, aloud."""
    for here in (folder, *folder.parents):
        path = here / SETTINGS_FILE
        if os.path.isfile(path):  # False also where a folder above may not be looked into
            if _is_trusted(path):
                return path
            if aloud:
                whose = "is ignored, since it belongs to another user; name the store with --store"
                note(f"stat7: {plain(str(path))} {whose}")
    return None


def read_file(path: Path) -> dict[str, str]:
    """The settings in a stat7.toml, always with a store; paths start at its folder. ConfigError names file and key."""
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    for name, value in given.items():
        if name not in ENVIRONMENT or not isinstance(value, str):
            raise ConfigError(f"{path}: {name}: expected one of {', '.join(ENVIRONMENT)}, each a URL in quotes")
    if "store" not in given:
        raise ConfigError(f'{path}: store: missing; write store = "{DEFAULT_STORE}"')
    urls = {name: re.split(PAIR, url) if name == "replica" else [url] for name, url in given.items()}
    return {name: ",".join(anchored(url, path.parent) for url in parts) for name, parts in urls.items()}


def _is_trusted(path: Path) -> bool:
    """Whether the file, and the link to it if there is one, belong to this user or to the system's administrator."""
    if not hasattr(os, "getuid"):
        return True
    return {path.stat().st_uid, path.lstat().st_uid} <= {os.getuid(), 0}
