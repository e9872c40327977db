"""URLs to stores: what they may say, what they open, and that no message holds a secret."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7 import registry
from stat7.errors import ConfigError
from stat7.files.local import LocalFiles
from stat7.files.memory import MemoryFiles
from stat7.query import Query
from stat7.registry import (
    STORES,
    anchored,
    configure_files,
    configure_store,
    files_beside,
    local_path,
    open_files,
    open_store,
    redact,
)
from stat7.registry.files import LocalFilesConfig, MemoryFilesConfig
from stat7.registry.stores import MemoryConfig, SQLiteConfig
from stat7.registry.urls import Location
from stat7.stores.memory import MemoryStore
from stat7.testing.samples import sample


def test_memory_opens_a_store_of_its_own() -> None:
    first, second = open_store("memory:"), open_store("memory:")
    assert isinstance(first, MemoryStore)
    first.put([sample()])
    assert second.count() == 0


def test_named_memory_is_shared_and_survives_closing() -> None:
    first = open_store("memory:registry%20test")
    first.put([sample()])
    first.close()
    second = open_store("memory:registry test")
    assert second.count() == 1
    assert open_store("memory://registry test").find(Query(), None, 10).items


def test_named_memory_files_are_shared() -> None:
    stored = open_files("memory:registry-files").put([b"bytes"])
    again = open_files("memory:registry-files")
    assert isinstance(again, MemoryFiles)
    assert again.stat([stored.sha256]) == {stored.sha256: stored}
    assert open_files("memory:").stat([stored.sha256]) == {}


def test_a_local_store_and_folder_open_where_the_url_says(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path / 'a library.db'}?sync=normal&busy_timeout=10")
    store.put([sample()])
    store.close()
    assert (tmp_path / "a library.db").is_file()
    files = open_files(f"file:{tmp_path / 'some files'}")
    assert isinstance(files, LocalFiles)
    assert files.folder == tmp_path / "some files"
    files.close()


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("library.db", "library.db"),
        ("a folder/my library.db", "a folder/my library.db"),
        ("a%20folder/x.db", "a folder/x.db"),
        ("100%/x.db", "100%/x.db"),
        ("50%25off.db", "50%off.db"),
        ("what%3F.db", "what?.db"),
        ("%C3%A4.db", "ä.db"),
        ("ä#1+2.db", "ä#1+2.db"),
        ("../x.db", "../x.db"),
        ("/data/x.db", "/data/x.db"),
        ("C:\\x\\y.db", "C:\\x\\y.db"),
        ("C:/x/y z.db", "C:/x/y z.db"),
        ("\\\\server\\share\\y.db", "\\\\server\\share\\y.db"),
    ],
)
def test_paths_are_read_as_written_with_escapes_undone(place: str, path: str) -> None:
    assert configure_store(f"sqlite:{place}") == SQLiteConfig(Path(path))
    assert configure_store(f"SQLite:{place}?sync=full") == SQLiteConfig(Path(path), "full")
    assert configure_files(f"file:{place}") == LocalFilesConfig(Path(path))
    assert local_path(f"sqlite:{place}?busy_timeout=1") == Path(path)


def test_options_are_read_to_their_types() -> None:
    assert configure_store("sqlite:x.db?sync=normal&busy_timeout=0.5") == SQLiteConfig(Path("x.db"), "normal", 0.5)
    assert configure_store("memory:name") == MemoryConfig("name")
    assert configure_files("memory:") == MemoryFilesConfig()


def test_file_urls_of_other_programs_are_understood() -> None:
    assert configure_files("file:///data/files") == LocalFilesConfig(Path("/data/files"))
    assert configure_files("file:///C:/data/files") == LocalFilesConfig(Path("C:/data/files"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("library.db", "not a URL; write memory:, sqlite:library.db"),
        ("", "not a URL"),
        (":", "not a URL"),
        ("C:\\x\\y.db", "is a path; write sqlite:C:\\x\\y.db"),
        ("mongodb:x", "unknown scheme mongodb: there are these stores of entities: memory:, sqlite:library.db"),
        ("file:library-files", "unknown scheme file"),
        ("sqlite:", "sqlite: lacks a path; write sqlite:library.db"),
        ("sqlite: ", "lacks a path"),
        ("sqlite:?sync=full", "lacks a path"),
        ("sqlite:a%00b", "lacks a path"),
        ("sqlite:%ff.db", "not UTF-8"),
        ("sqlite:///library.db", "no host may stand before the path; write sqlite:library.db"),
        ("sqlite:x.db?wal=1", "unknown option 'wal'; sqlite: takes busy_timeout, sync"),
        ("sqlite:x.db?sync=fast", "sync: 'fast' is not one of full, normal"),
        ("sqlite:x.db?sync", "sync: '' is not one of full, normal"),
        ("sqlite:x.db?busy_timeout=-1", "busy_timeout: '-1' is not a number of seconds from 0 to 86400"),
        ("sqlite:x.db?busy_timeout=nan", "busy_timeout"),
        ("sqlite:x.db?sync=full&sync=normal", "an option is given twice"),
        ("memory:?sync=full", "unknown option 'sync'; memory: takes none"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_remedy(url: str, told: str) -> None:
    assert told in _refusal(open_store, url)
    assert len(_refusal(open_store, url).splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:x.db", "unknown scheme sqlite: there are these stores of files: file:library-files, memory:"),
        ("file:", "file: lacks a path; write file:library-files"),
        ("file://server/files", "no host may stand before the path"),
        ("file:x?sync=full", "unknown option 'sync'; file: takes none"),
    ],
)
def test_what_cannot_keep_files_is_refused_with_the_remedy(url: str, told: str) -> None:
    assert told in _refusal(open_files, url)


SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@host:5432/db?unknown=1",
        f"postgresql://ada:a?pool={SECRET}@host:5432/db",
        f"postgresql://ada:a@b{SECRET}@host/db",
        f"postgresql://ada:a/b?{SECRET}@host/db",
        f"postgresql://ada:a#{SECRET}@host/db?sslmode=require&unknown=1",
        f"redis://:{SECRET}@host",
        f"https://{SECRET}@host/path",
        f"postgresql:ada:{SECRET}@host/db",
        f"s3://bucket/prefix?access_key_id=AKIA&secret_access_key={SECRET}",
        f"az:container?sas_token={SECRET}&retries=3",
        f"az:DefaultEndpointsProtocol=https;AccountKey={SECRET};EndpointSuffix=x",
        f"gs:bucket?p%61ssword={SECRET}",
        f"s3:bucket?region=x&X-Amz-Signature={SECRET}",
        f"library?Password={SECRET}",
        f"sqlite:x.db?key={SECRET}",
    ],
)
def test_no_message_holds_a_secret(url: str) -> None:
    assert SECRET not in redact(url)
    assert "***" in redact(url)
    uses: tuple[Callable[[str], object], ...] = (open_store, open_files, local_path)
    for use in uses:
        assert SECRET not in _refusal(use, url)


@pytest.mark.parametrize(
    "url",
    ["sqlite:C:\\a@b\\x.db?sync=full", "memory:", "cassandra://host:9042/keyspace?keyspace=stat7", "s3://bucket/a@b"],
)
def test_what_is_no_secret_stays_readable(url: str) -> None:
    assert redact(url) == url


def test_the_rest_of_a_redacted_url_stays_readable() -> None:
    assert redact("postgresql://ada:pw@host/db?sslmode=require") == "postgresql://***@host/db?sslmode=require"
    assert redact("s3://bucket?secret=x&region=eu") == "s3://bucket?secret=***&region=eu"


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_text_is_opened_or_refused_on_one_line(scheme: str, rest: str) -> None:
    uses: tuple[Callable[[str], object], ...] = (configure_store, configure_files, local_path)
    for url in (scheme, f"{scheme}:{rest}", f"sqlite:{rest}", f"file:{rest}", f"memory:{rest}"):
        for configure in uses:
            assert len(_refusal(configure, url).splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\:"), min_size=1, max_size=30))
def test_an_anchored_path_is_the_path_inside_that_folder(name: str) -> None:
    folder = Path.cwd() / "50%25 of a?b"
    escaped = name.replace("%", "%25").replace("?", "%3F")
    if not name.strip():
        return
    for scheme in ("sqlite", "file"):
        url = anchored(f"{scheme}:{escaped}?sync=full", folder)
        assert url.endswith("?sync=full")
        assert local_path(url) == folder / name


def test_anchoring_leaves_other_urls_alone(tmp_path: Path) -> None:
    for url in ("memory:", "memory:name", "s3://bucket/x", f"sqlite:{tmp_path / 'x.db'}"):
        assert anchored(url, tmp_path / "elsewhere") == url
    assert local_path("memory:name") is None


@pytest.mark.parametrize(
    ("store", "files"),
    [
        ("sqlite:library.db", "file:library-files"),
        ("sqlite:library.bak", "file:library.bak-files"),
        ("sqlite:a/library.db?sync=normal", f"file:{Path('a') / 'library-files'}"),
        ("SQLite:a%20b.db", "file:a b-files"),
        ("sqlite:50%25de.db", "file:50%25de-files"),
        ("sqlite:what%3F.db", "file:what%3F-files"),
        ("memory:", "memory:"),
        ("memory:a%20name", "memory:a%20name"),
    ],
)
def test_files_are_kept_beside_their_store(store: str, files: str) -> None:
    assert files_beside(store) == files


def test_where_no_rule_says_where_files_are_they_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {**STORES, "elsewhere": _Elsewhere}
    monkeypatch.setattr(registry, "STORES", elsewhere)
    assert "elsewhere://***@host: it doesn't say where its files are; name them too: --files URL" in _refusal(
        files_beside, "elsewhere://ada:secret@host"
    )
    assert "unknown scheme" in _refusal(files_beside, "nonsense:x")
    assert "lacks a path" in _refusal(files_beside, "sqlite:")


class _Elsewhere(SQLiteConfig):
    """A store that is no file of this machine."""

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From any place."""
        return cls(Path(location.place))


def test_a_store_that_is_not_there_is_only_made_if_that_is_allowed(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'library.db'}"
    for check in (configure_store(url).require, lambda: open_store(url, make=False)):
        with pytest.raises(ConfigError, match=r"there is no store at .*make one with `stat7 init`, or correct its URL"):
            check()
    assert list(tmp_path.iterdir()) == []
    open_store(url).close()
    configure_store(url).require()
    open_store(url, make=False).close()
    assert open_store("memory:", make=False).count() == 0


def test_a_missing_package_is_named() -> None:
    told = _program("sys.modules['apsw'] = None; open_store('sqlite:x.db')")
    assert "ConfigError: sqlite:x.db: needs the Python package apsw, which isn't installed" in told


def test_a_fault_of_our_own_is_not_taken_for_a_missing_package() -> None:
    assert "\nModuleNotFoundError" in _program("sys.modules['stat7.stores.sqlite'] = None; open_store('sqlite:x.db')")


def test_backends_are_imported_only_when_opened() -> None:
    heavy = "{'apsw', 'stat7.stores.sqlite', 'stat7.files.local'}"
    use = "configure_store('sqlite:x.db'); configure_files('file:x'); open_store('memory:')"
    assert _program(f"{use}; assert not {heavy} & sys.modules.keys()") == ""


def _program(statements: str) -> str:
    """What a fresh interpreter writes to its standard error."""
    imports = "import sys; from stat7.registry import configure_files, configure_store, open_store; "
    done = subprocess.run([sys.executable, "-c", imports + statements], capture_output=True, timeout=60, check=False)
    return done.stderr.decode()


def _refusal(use: Callable[[str], object], url: str) -> str:
    """The text of the error that the URL meets, empty if it meets none."""
    try:
        use(url)
    except ConfigError as error:
        return str(error)
    return ""
