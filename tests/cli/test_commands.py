"""The rest of the command line: settings, files, import, copy, verify, withdraw, gc, digest, doctor, completion."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from stat7 import __version__
from stat7.cli.app import COMMANDS
from tests.cli.conftest import Run, as_json


def ndjson(count: int) -> bytes:
    """So many documents, one a line."""
    return b"".join(as_json(id=f"hero/{number}", lineage=number) + b"\n" for number in range(count))


def test_help_lists_every_command_and_each_has_help_with_an_example(run: Run) -> None:
    assert all(name in run("--help").text for name in COMMANDS)
    for name in COMMANDS:
        done = run(name, "--help")
        assert done.code == 0
        assert name == "import" or "xample" in done.text or "Commands" in done.text


def test_version(run: Run) -> None:
    assert __version__ in run("--version").text


def test_an_unknown_command_is_exit_2(run: Run) -> None:
    assert run("fnid").code == 2


def test_settings_are_found_from_a_folder_below(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", "--store", "sqlite:library.db", "--files", "file:library-files")
    address = run("put", "-", stdin=as_json()).text.strip()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert run("find", "--addresses").lines == [address]
    monkeypatch.setenv("STAT7_STORE", "sqlite:other.db")
    assert run("find").code == 2
    assert run("find", "--store", f"sqlite:{tmp_path / 'library.db'}", "--addresses").lines == [address]


def test_init_does_not_replace_settings_unasked(run: Run) -> None:
    assert run("init").code == 0
    assert run("init").code == 2
    assert run("init", "--force").code == 0


@pytest.mark.parametrize("text", ["store = 3", "stores = 'sqlite:x.db'", "store = ", "\xff"])
def test_bad_settings_name_the_file(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "stat7.toml").write_bytes(text.encode("latin-1"))
    done = run("find")
    assert done.code == 2
    assert "stat7.toml" in done.err


@pytest.mark.parametrize("url", ["nonsense:x", "sqlite:", "sqlite:a.db?colour=1"])
def test_a_bad_store_url_is_exit_2_in_one_line(run: Run, url: str) -> None:
    done = run("put", "-", "--store", url, stdin=as_json())
    assert done.code == 2
    assert len(done.err.splitlines()) == 1


def test_files_go_in_and_out(run: Run, tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192
    (tmp_path / "big").write_bytes(content)
    name = run("file", "put", "big").text.strip()
    assert name == hashlib.sha256(content).hexdigest()
    assert run("file", "cat", name).out == content
    assert run("file", "cat", name, "--range", "10-19").out == content[10:20]
    assert run("file", "cat", name, "--range", "2097150-").out == content[-2:]
    assert run("file", "get", name, "-o", "out").code == 0
    assert (tmp_path / "out").read_bytes() == content
    assert run("file", "get", name, "-o", "out").code == 2
    assert run("file", "get", name, "-o", "out", "--force").code == 0
    assert run("file", "get", "0" * 64, "-o", "none").code == 3
    assert not (tmp_path / "none").exists()
    assert run("file", "cat", name, "--range", "9-1").code == 2
    assert run("file", "put", "-", stdin=b"").text.strip() == hashlib.sha256(b"").hexdigest()


def test_import_reports_bad_lines_and_goes_on_and_again_is_a_no_op(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.ndjson").write_bytes(ndjson(3) + b"{}\n" + as_json(id="last"))
    done = run("import", "entities", "in.ndjson", "--json")
    assert done.code == 1
    assert "line 4" in done.err
    assert json.loads(done.lines[-1]) == {
        "read": 5, "new": 4, "existed": 0, "conflict": 0, "withdrawn": 0, "bad": 1,
    }  # fmt: skip
    again = json.loads(run("import", "entities", "in.ndjson", "--json").lines[-1])
    assert (again["new"], again["existed"]) == (0, 4)
    assert run("import", "entities", "missing.ndjson").code == 2


def test_import_from_standard_input_and_export_round_trip(run: Run, tmp_path: Path) -> None:
    assert run("import", "entities", "-", stdin=ndjson(20)).code == 0
    digest = run("digest", "--json").out
    assert run("export", "-o", "all.ndjson.gz").code == 0
    assert len(gzip.decompress((tmp_path / "all.ndjson.gz").read_bytes()).splitlines()) == 20
    other = ("--store", "sqlite:other.db", "--files", "file:other-files")
    assert run("import", "entities", "all.ndjson.gz", *other).code == 0
    assert run("digest", "--json", *other).out == digest
    assert len(run("export", "-o", "-", "--lineage", "..4").lines) == 5


def test_digest_diff_names_what_only_one_store_has(run: Run) -> None:
    address = run("put", "-", stdin=as_json()).text.strip()
    one, other = "sqlite:stat7.db", "sqlite:backup.db"
    assert run("copy", one, other).code == 0
    same = run("digest", "--diff", one, other)
    assert (same.code, same.out, same.err.strip()) == (0, b"", "no difference")
    run("withdraw", address, "--case", "c", "--reason", "r")
    done = run("digest", "--diff", one, other)
    assert (done.code, done.text) == (1, f"+ E {address}\n- W {address}\n")
    assert done.err.strip() == "2 lines differ"
    for refused in (("--lines",), ("--json",), ("--store", one)):
        assert run("digest", "--diff", one, other, *refused).code == 2


def test_digest_lines_hash_to_the_combined_digest(run: Run) -> None:
    run("import", "entities", "-", stdin=ndjson(7))
    lines = run("digest", "--lines").out
    assert json.loads(run("digest", "--json").out)["combined"] == hashlib.sha256(lines).hexdigest()


def test_copy_verify_damage_and_repair(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cover.png").write_bytes(b"picture" * 1000)
    run("import", "entities", "-", stdin=ndjson(50))
    run("put", "-", "--attach", "cover.png", stdin=as_json(id="with/file"))
    done = run("copy", "--verify", "--json", "sqlite:stat7.db", "sqlite:backup.db")
    assert done.code == 0
    backup = ("--store", "sqlite:backup.db", "--files", "file:backup-files")
    assert run("digest", *backup).out == run("digest").out
    address = run("head", "hero/7").text.strip()
    raw = run("get", address, "--raw").out
    data = bytearray((tmp_path / "backup.db").read_bytes())
    data[data.index(raw[-80:]) + 20] ^= 1
    (tmp_path / "backup.db").write_bytes(data)
    assert run("get", address, *backup).code == 5
    damaged = run("verify", *backup)
    assert damaged.code == 5
    assert address in damaged.text
    assert run("verify", "--repair-from", "sqlite:stat7.db", *backup).code == 0
    assert run("verify", *backup).code == 0
    assert run("get", address, "--raw", *backup).out == raw


def test_withdrawn_is_gone_with_its_case_and_stays_gone(run: Run) -> None:
    address = run("put", "-", stdin=as_json()).text.strip()
    done = run("withdraw", address, "--case", "2026-17", "--reason", "personal data", "--json")
    assert json.loads(done.out)["id"] == "hero/ada"
    gone = run("get", address)
    assert gone.code == 3
    assert "2026-17" in gone.err
    assert run("put", "-", stdin=as_json()).code == 3
    assert run("find", "--addresses").lines == []
    assert run("withdraw", "--case", "1", "--reason", "x").code == 2
    assert run("withdraw", address, "--reason", "x").code == 2
    following = as_json(previous=address, state={})
    assert run("put", "-", stdin=following).code == 0
    assert run("withdraw", "--id", "hero/ada", "--all-versions", "--case", "2", "--reason", "x").code == 0
    assert run("get", "--id", "hero/ada").code == 3


def test_withdrawn_files_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"secret")
    name = run("file", "put", "f").text.strip()
    assert run("withdraw", "--file", name, "--case", "1", "--reason", "x").code == 0
    assert run("file", "cat", name).code == 3
    assert run("file", "put", "f").code == 3


def test_gc_spares_what_is_named_or_young(run: Run, tmp_path: Path) -> None:
    (tmp_path / "used").write_bytes(b"used")
    (tmp_path / "loose").write_bytes(b"loose")
    run("put", "-", "--attach", "used", stdin=as_json())
    loose = run("file", "put", "loose").text.strip()
    assert run("gc", "--grace", "1h").code == 2
    assert loose not in run("gc").text
    assert loose in run("gc", "--grace", "0s", "--offline", "--dry-run").text
    assert run("file", "cat", loose).out == b"loose"
    assert loose in run("gc", "--grace", "0s", "--offline", "--compact").text
    assert run("file", "cat", loose).code == 3
    assert run("verify").code == 0
    assert run("gc", "--grace", "soon").code == 2


def test_doctor_and_stats(run: Run) -> None:
    run("import", "entities", "-", stdin=ndjson(3))
    checks = [json.loads(line) for line in run("doctor", "--json").lines]
    assert {check["status"] for check in checks} <= {"ok", "warn"}
    assert run("doctor").code == 0
    assert json.loads(run("stats", "--json").out)["entities"] == 3
    assert "entities" in run("stats").text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert done.code == 0
    assert "_STAT7_COMPLETE" in done.text


def test_import_files_says_what_it_skips(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"a")
    for number in range(12):
        (folder / f".hidden{number:02}").write_bytes(b"h")
    done = run("import", "files", "pictures", "--json")
    assert done.code == 0
    assert json.loads(done.lines[-1])["new"] == 1
    assert ".hidden09" in done.err
    assert ".hidden11" not in done.err
    assert run("import", "files", "nowhere").code == 2


def test_every_version_travels_by_export(run: Run) -> None:
    address = run("put", "-", stdin=as_json()).text.strip()
    run("put", "-", stdin=as_json(previous=address, state={}))
    assert len(run("export", "-o", "-").lines) == 1
    everything = run("export", "-o", "-", "--versions", "all").out
    assert len(everything.splitlines()) == 2
    other = ("--store", "sqlite:other.db", "--files", "file:other-files")
    assert run("import", "entities", "-", *other, stdin=everything).code == 0
    assert run("digest", *other).out == run("digest").out
