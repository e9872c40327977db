"""The git program: what it refuses, put into one line with the remedy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stat7.errors import ConfigError
from stat7.importers import git_program
from stat7.importers.git import read_git
from tests.importers.histories import History


@pytest.fixture(autouse=True)
def _git(program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    program("git")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


def refusal(folder: Path, revision: str = "HEAD") -> str:
    with pytest.raises(ConfigError) as caught:
        next(read_git(folder, revision=revision))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_shallow_clone_is_refused_with_the_remedy(tmp_path: Path) -> None:
    history = History(tmp_path / "a")
    for name in ("one", "two", "three"):
        history.commit(name)
    history.git("clone", "--quiet", "--depth=2", history.folder.as_uri(), str(tmp_path / "b"))
    assert "shallow clone" in (said := refusal(tmp_path / "b"))
    assert "git fetch --unshallow" in said
    History(tmp_path / "b").git("fetch", "--quiet", "--unshallow")
    assert len(list(read_git(tmp_path / "b"))) == 3


def test_a_repository_without_commits_is_refused(tmp_path: Path) -> None:
    History(tmp_path)
    assert "has no commits yet" in refusal(tmp_path)


def test_a_folder_that_is_in_no_repository_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_program, "_KEPT", git_program._KEPT | {"GIT_CEILING_DIRECTORIES"})
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    assert "is not in a git repository" in refusal(tmp_path / "plain")


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "is not a folder" in refusal(tmp_path / name)


@pytest.mark.parametrize("revision", ["nothing", "HEAD~5", "HEAD^{tree}", "HEAD..HEAD", "a b", "0" * 40])
def test_a_revision_that_is_no_commit_is_refused(tmp_path: Path, revision: str) -> None:
    History(tmp_path).commit()
    assert f"has no commit {revision!r}" in refusal(tmp_path, revision)


@pytest.mark.parametrize("revision", ["", "--all", "-n1"])
def test_a_revision_that_would_be_an_option_is_refused(tmp_path: Path, revision: str) -> None:
    History(tmp_path).commit()
    assert f"{revision!r} is not a revision" in refusal(tmp_path, revision)


def test_git_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in refusal(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="needs scripts that run by themselves")
@pytest.mark.parametrize(
    ("says", "shown"), [("git version 2.30.9", "git version 2.30.9"), ("", "not git"), ("a b c.d", "a b c.d")]
)
def test_a_git_that_is_too_old_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, shown: str) -> None:
    script = tmp_path / "git"
    script.write_text(f"#!{sys.executable}\nprint({says!r})\n", encoding="utf-8")
    script.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = refusal(tmp_path)
    assert f"is {shown}; version 2.31 or later is needed" in said


def test_a_repository_of_somebody_else_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    History(tmp_path).commit()
    monkeypatch.setattr(git_program, "_KEPT", git_program._KEPT | {"GIT_TEST_ASSUME_DIFFERENT_OWNER"})
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    said = refusal(tmp_path)
    assert "belongs to another user" in said
    assert f"git config --global --add safe.directory {tmp_path}" in said


def test_another_complaint_of_git_is_passed_on_in_one_line(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.commit()
    (tmp_path / ".git" / "config").write_text("[core\n", encoding="utf-8")
    said = refusal(tmp_path)
    assert "git can't read the repository: " in said
    assert "config" in said
