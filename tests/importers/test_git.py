"""Git histories: what becomes of a commit, histories of every shape, and facts that depend on the commit alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stat7.importers import git as git_module
from stat7.importers.base import Item
from stat7.importers.git import MAX_BODY, read_git
from stat7.query import Query
from stat7.record import Record, document_of
from tests.importers.histories import NOON, History, random_history
from tests.importers.support import errors, imported, memory_repository


@pytest.fixture(autouse=True)
def _git(program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    program("git")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


def documents(history: History, revision: str = "HEAD") -> list[dict[str, Any]]:
    found = list(read_git(history.folder, revision=revision))
    assert errors(found) == []
    return [document_of(item.document) for item in found if isinstance(item.document, Record)]


def facts(history: History, revision: str = "HEAD") -> dict[str, dict[str, Any]]:
    """Coordinates and state by the commit's subject."""
    return {each["state"]["subject"]: {**each["coordinates"], **each["state"]} for each in documents(history, revision)}


def test_a_commit_becomes_an_entity(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.write("a", "1\n2\n3\n")
    root = history.commit("Begin\n\nWith two\nlines\n")
    (found,) = documents(history)
    assert found == {
        "stat7": 1,
        "id": f"commit/{root}",
        "entity_type": "commit",
        "created_at": "2026-01-31T12:00:01.000Z",
        "coordinates": {
            "realm": "event", "lineage": 0, "adjacency": [], "horizon": "genesis",
            "resonance": -1, "velocity": 1, "density": 1,
        },
        "state": {
            "subject": "Begin", "body": "With two\nlines",
            "author": {"name": "Ada", "email": "ada@example.org", "date": "2026-01-31T13:00:01+01:00"},
            "committer": {"name": "Ada", "email": "ada@example.org", "date": "2026-01-31T13:00:01+01:00"},
            "lines_added": 3, "lines_removed": 0, "files_created": 1, "files_deleted": 0, "files_touched": 1,
            "files_binary": 0, "files_in_tree": 1,
        },
        "files": [],
        "previous": None,
    }  # fmt: skip


def test_coordinates_follow_from_what_a_commit_does(tmp_path: Path) -> None:
    history = History(tmp_path)
    for name in ("a", "b", "c", "d"):
        history.write(name, "1\n2\n3\n4\n")
    history.commit("root")
    history.write("a", "1\n2\n3\n4\n5\n6\n7\n")
    history.commit("change")
    history.write("e", "1\n")
    history.write("a", "1\n2\n3\n4\n5\n6\n")
    history.commit("add")
    history.git("rm", "--quiet", "b", "c")
    history.commit("remove")
    history.git("mv", "d", "sub")
    history.commit("rename")
    history.commit("nothing")
    history.git("update-index", "--chmod=+x", "a")
    history.commit("mode")
    found = facts(history)
    lifecycle = {subject: (each["horizon"], each["lineage"]) for subject, each in found.items()}
    assert lifecycle == {
        "root": ("genesis", 0), "change": ("peak", 1), "add": ("emergence", 2), "remove": ("decay", 3),
        "rename": ("emergence", 4), "nothing": ("peak", 5), "mode": ("peak", 6),
    }  # fmt: skip
    numbers = {subject: (each["velocity"], each["density"], each["resonance"]) for subject, each in found.items()}
    assert numbers == {
        "root": (1, 1, -1),
        "change": (1, 0.25, 1),
        "add": (0, 0.4, 0),
        "remove": (-1, 0.4, -1),
        "rename": (0, 0.5, -1),
        "nothing": (0, 0, 0),
        "mode": (0, 0.33333333, 1),
    }
    assert found["rename"]["files_in_tree"] == 3


def test_binary_files_count_as_files_and_have_no_lines(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.write("image", b"\0\1\2")
    history.write("text", "1\n")
    history.commit("both")
    each = facts(history)["both"]
    assert (each["files_binary"], each["files_touched"], each["lines_added"]) == (1, 2, 1)


def test_a_merge_has_its_parents_as_neighbours_and_is_compared_with_the_first(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.write("a", "1\n")
    root = history.commit("root")
    history.git("switch", "--quiet", "--create", "side")
    history.write("b", "1\n")
    history.write("c", "1\n")
    side = history.commit("side")
    history.git("switch", "--quiet", "main")
    first, second = history.commit("one"), history.commit("two")
    history.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
    each = facts(history)["merge"]
    assert each["adjacency"] == sorted([f"commit/{second}", f"commit/{side}"])
    assert (each["lineage"], each["horizon"]) == (3, "crystallization")
    assert (each["files_created"], each["files_in_tree"], each["density"]) == (2, 3, 0.66666667)
    repo = memory_repository()
    assert imported(repo, read_git(tmp_path)).counts() == {"read": 5, "new": 5}
    children = {entity.id for entity in repo.find(Query(adjacent_to=f"commit/{root}"))}
    assert children == {f"commit/{side}", f"commit/{first}"}


def test_several_roots_and_an_octopus(tmp_path: Path) -> None:
    history = History(tmp_path)
    for name in ("main", "x", "y"):
        if name != "main":
            history.git("switch", "--quiet", "--orphan", name)
        history.write(name, "1\n")
        history.commit(f"root {name}")
    history.git("switch", "--quiet", "main")
    tree = history.git("write-tree")
    parents = [part for name in ("main", "x", "y") for part in ("-p", name)]
    history.git("update-ref", "refs/heads/main", history.git("commit-tree", tree, *parents, "-m", "octopus"))
    found = facts(history)
    assert [found[f"root {name}"]["lineage"] for name in ("main", "x", "y")] == [0, 0, 0]
    assert (found["octopus"]["lineage"], len(found["octopus"]["adjacency"])) == (1, 3)


@pytest.mark.parametrize("seed", range(3))
def test_generations_and_sizes_of_trees_agree_with_git_s_own(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path, "--bare")
    random_history(history, seed, 30)
    generations: dict[str, int] = {}
    order = []
    for each in documents(history, "main"):
        commit = each["id"].removeprefix("commit/")
        parents = history.git("show", "--no-patch", "--format=%P", commit).split()
        assert each["coordinates"]["adjacency"] == sorted(f"commit/{parent}" for parent in parents)
        generations[commit] = max((generations[parent] for parent in parents), default=-1) + 1
        assert each["coordinates"]["lineage"] == generations[commit]
        assert each["state"]["files_in_tree"] == history.tree(commit)
        assert 0 <= each["coordinates"]["density"] <= 1
        order.append(commit)
    assert sorted(order) == sorted(history.git("rev-list", "main").split())


def test_what_is_remembered_does_not_grow_with_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path, "--bare")
    stream = "".join(
        f"commit refs/heads/main\ncommitter Ada <a@b> {NOON + number} +0000\ndata 0\n" for number in range(300)
    )
    history.git("fast-import", "--quiet", stdin=stream.encode())
    sizes: list[int] = []
    place = git_module._place

    def watched(commit: Any, children: int, remembered: dict[str, Any]) -> Any:
        sizes.append(len(remembered))
        return place(commit, children, remembered)

    monkeypatch.setattr(git_module, "_place", watched)
    assert [each["coordinates"]["lineage"] for each in documents(history, "main")] == list(range(300))
    assert max(sizes) == 1


def test_running_again_is_a_no_op_and_later_commits_are_added(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number in range(3):
        history.write("a", f"{number}\n")
        history.commit(f"change {number}")
    repo = memory_repository()
    assert imported(repo, read_git(tmp_path)).counts() == {"read": 3, "new": 3}
    assert imported(repo, read_git(tmp_path), update=True).counts() == {"read": 3, "existed": 3}
    history.commit("later")
    assert imported(repo, read_git(tmp_path)).counts() == {"read": 4, "new": 1, "existed": 3}


def test_a_revision_chooses_the_history(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.commit("one")
    history.git("tag", "v1", "-m", "an annotated tag")
    history.commit("two")
    assert list(facts(history, "v1")) == list(facts(history, "HEAD~1")) == ["one"]


def test_any_folder_of_the_repository_names_it_and_so_does_a_bare_one_or_a_work_tree(tmp_path: Path) -> None:
    history = History(tmp_path / "a")
    history.write("sub/file", "1\n")
    history.commit("one")
    history.git("worktree", "add", "--quiet", str(tmp_path / "tree"))
    history.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    expected = [item.document for item in read_git(history.folder)]
    for folder in (history.folder / "sub", tmp_path / "tree", tmp_path / "bare"):
        assert [item.document for item in read_git(folder)] == expected


def test_settings_attributes_and_the_environment_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(tmp_path / "a")
    history.write("a.txt", "1\n2\n" * 20)
    history.write("tab\tname\n", "1\n")
    history.commit("one")
    history.git("mv", "a.txt", "b.txt")
    history.commit("two", "--signoff")
    expected = [item.document for item in read_git(history.folder)]
    for setting in (
        "diff.renames=copies", "diff.algorithm=patience", "diff.external=false", "log.date=relative",
        "diff.ignoreSubmodules=all", "diff.relative=true", "diff.orderFile=/dev/null", "log.decorate=full",
        "log.showSignature=true", "log.showRoot=false", "log.follow=true", "core.quotePath=true", "color.ui=always",
        "core.pager=false", "i18n.logOutputEncoding=UTF-16", "format.pretty=oneline", "log.diffMerges=off",
        "log.abbrevCommit=true", "diff.mnemonicPrefix=true",
    ):  # fmt: skip
        history.git("config", *setting.split("=", 1))
    (history.folder / ".gitattributes").write_text("* binary\n", encoding="utf-8")
    (history.folder / ".mailmap").write_text("Bob <bob@example.org> <ada@example.org>\n", encoding="utf-8")
    other = History(tmp_path / "other")
    other.commit("not this one")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_EXTERNAL_DIFF", "GIT_PAGER"):
        monkeypatch.setenv(name, str(other.folder / ".git"))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.chdir(history.folder)
    assert [item.document for item in read_git(history.folder)] == expected
    assert [item.document for item in read_git(history.folder / ".git")] == expected


def test_replaced_and_grafted_commits_are_read_as_they_were_made(tmp_path: Path) -> None:
    history = History(tmp_path)
    one, two = history.commit("one"), history.commit("two")
    expected = documents(history)
    history.git("replace", two, one, "--force")
    assert documents(history) == expected
    history.git("replace", "--delete", two)
    (tmp_path / ".git" / "info" / "grafts").write_text(f"{two}\n", encoding="ascii")
    assert documents(history) == expected


def test_texts_in_other_encodings_are_read(tmp_path: Path) -> None:
    history = History(tmp_path)
    who = b"author \xc3\x89va <e@x> 1 +0000\ncommitter \xc3\x89va <e@x> 1 +0000"
    parent = history.raw_commit(who, "Žluťoučký\n".encode())
    latin = b"author \xc9va <e@x> 1 +0000\ncommitter \xc9va <e@x> 1 +0000\nparent "
    lines = b"parent " + parent.encode() + b"\n" + latin.rpartition(b"\nparent")[0]
    parent = history.raw_commit(lines + b"\nencoding ISO-8859-1", b"caf\xe9\n")
    lines = lines.replace(lines.split(b"\n")[0], b"parent " + parent.encode())
    tip = history.raw_commit(lines, b"not said: caf\xe9\n")
    found = documents(history, tip)
    assert [each["state"]["subject"] for each in found] == ["Žluťoučký", "café", "not said: café"]
    assert {each["state"]["author"]["name"] for each in found} == {"Éva"}


@pytest.mark.parametrize(
    ("seconds", "created_at"),
    [
        ("4102444800", "2100-01-01T00:00:00.000Z"),
        ("0", "1970-01-01T00:00:00.000Z"),
        ("253402300799", "9999-12-31T23:59:59.000Z"),
        ("253402300800", None),
    ],
)
def test_dates_far_away_are_kept_or_null_beyond_the_calendar(
    tmp_path: Path, seconds: str, created_at: str | None
) -> None:
    history = History(tmp_path)
    tip = history.raw_commit(f"author A <a> {seconds} +0000\ncommitter A <a> {seconds} +0000".encode())
    (found,) = documents(history, tip)
    assert found["created_at"] == created_at


@pytest.mark.parametrize(
    "message", [b"", b"\n\n", b"one\ntwo\n\nthree\n", b"tab\there\x07\n", b"cut\0off\n", b":100 A\n"]
)
def test_messages_of_every_kind_keep_the_history_whole(tmp_path: Path, message: bytes) -> None:
    history = History(tmp_path)
    who = b"author A <a> 1 +0000\ncommitter A <a> 1 +0000"
    tip = history.raw_commit(who, message)
    tip = history.raw_commit(b"parent " + tip.encode() + b"\n" + who, b"after\n")
    first, second = documents(history, tip)
    assert second["state"]["subject"] == "after"
    assert (
        first["state"]["subject"]
        == " ".join(message.partition(b"\0")[0].decode().partition("\n\n")[0].split("\n")).strip()
    )


def test_names_of_files_of_every_kind_keep_the_history_whole(tmp_path: Path) -> None:
    history = History(tmp_path)
    names = ["1\t2\tfile", ":100644 A", "commit 0", "new\nline", "é", "-"] if os.name == "posix" else ["é", "-"]
    for name in names:
        history.write(name, "1\n")
    history.commit("names")
    history.commit("after")
    found = facts(history)
    assert found["names"]["files_created"] == found["names"]["lines_added"] == len(names)
    assert found["after"]["files_in_tree"] == len(names)


def test_a_long_message_is_cut_and_says_so(tmp_path: Path) -> None:
    history = History(tmp_path)
    who = b"author A <a> 1 +0000\ncommitter A <a> 1 +0000"
    tip = history.raw_commit(who, b"long\n\n" + b"x" * (MAX_BODY + 9))
    (found,) = documents(history, tip)
    assert found["state"]["body"] == "x" * MAX_BODY
    assert found["state"]["message_cut"] is True


def test_a_message_over_the_limit_of_a_line_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    history = History(tmp_path)
    who = b"author A <a> 1 +0000\ncommitter A <a> 1 +0000"
    tip = history.raw_commit(who, b"huge\n\n" + b"x" * 9_000_000)
    (found,) = documents(history, tip)
    assert (found["state"]["subject"], found["state"]["body"]) == ("huge", "")
    assert found["state"]["message_cut"] is True


def test_a_commit_that_makes_no_entity_is_an_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    history = History(tmp_path)
    who = b"author A <a> 1 +0000\ncommitter A <a> 1 +0000"
    tip = history.raw_commit(who, b"bells\n\n" + b"\x07" * (MAX_BODY - 1))
    bad = tip
    tip = history.raw_commit(b"parent " + tip.encode() + b"\n" + who, b"after\n")
    found = list(read_git(tmp_path, revision=tip))
    assert [item.place for item in found] == [bad, tip]
    assert "over the limit" in str(found[0].error)
    assert isinstance(found[1].document, Record)


def test_a_damaged_repository_ends_with_an_error_after_what_could_be_read(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.write("a", "1\n")
    one = history.commit("one")
    history.write("a", "2\n")
    history.commit("two")
    blob = history.git("rev-parse", "HEAD:a")
    lost = tmp_path / ".git" / "objects" / blob[:2] / blob[2:]
    lost.chmod(0o600)
    lost.unlink()
    found = list(read_git(tmp_path))
    assert found[0].place == one
    ((place, said),) = errors(found)
    assert place.startswith("after ") or place == "the first commit"
    assert "git stopped: " in said
    assert "git fsck" in said
    assert "\n" not in said


def test_listings_that_differ_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path)
    history.commit("one")
    history.commit("two")
    monkeypatch.setattr(git_module, "_LOG", tuple(part for part in git_module._LOG if part != "--reverse"))
    ((_, said),) = errors(read_git(tmp_path))
    assert "listings of the history differ" in said


def test_a_parent_that_never_came_is_an_error() -> None:
    commit = git_module._Commit("a" * 40, ["b" * 40], {}, cut=False)
    with pytest.raises(Exception, match=f"the parent '{'b' * 40}' of {'a' * 40} is missing"):
        git_module._place(commit, 0, {})


def test_leaving_early_stops_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path)
    history.commit("one")
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    found = read_git(tmp_path)
    assert isinstance(next(found), Item)
    found.close()  # type: ignore[attr-defined]
    assert len(started) >= 2
    assert all(process.returncode is not None for process in started)


def test_a_repository_of_sha256_is_read_too(tmp_path: Path) -> None:
    history = History(tmp_path, "--object-format=sha256")
    history.write("a", "1\n")
    tip = history.commit("one")
    assert len(tip) == 64
    assert [each["id"] for each in documents(history)] == [f"commit/{tip}"]


def test_a_submodule_counts_as_one_file(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.git("config", "diff.ignoreSubmodules", "all")
    one = history.commit("one")
    history.git("update-index", "--add", "--cacheinfo", f"160000,{one},module")
    history.commit("two")
    history.git("update-index", "--cacheinfo", f"160000,{history.git('rev-parse', 'HEAD')},module")
    history.commit("three")
    found = facts(history)
    assert [found[name]["files_in_tree"] for name in ("one", "two", "three")] == [0, 1, 1]
    assert found["three"]["files_touched"] == 1
