"""The git program as a source of facts: asked in one way whatever the user's settings, its failures put into words."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from stat7.errors import ConfigError, InvalidEntity
from stat7.importers.streams import plain_blocks

MINIMUM_VERSION: Final = (2, 31)
"""The first version that can compare a merge with its first parent alone."""

# Where git is told which repositories may be trusted, and where its own parts are; all else of its environment might
# lead it elsewhere (GIT_DIR, GIT_OBJECT_DIRECTORY, GIT_REPLACE_REF_BASE, …).
_KEPT: Final = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH"})
_SET: Final = {
    "LC_ALL": "C",
    "LANGUAGE": "",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
}
_SETTINGS: Final = ("core.attributesFile=/dev/null", "attr.tree=", "core.fsmonitor=false")
_COMPLAINT: Final = 400


@dataclass(frozen=True, slots=True)
class GitRepository:
    """A whole git repository: the program, its folder as the user gave it, and where git keeps its data."""

    program: str
    folder: Path
    git_dir: str

    def resolve(self, revision: str) -> str:
        """The hash of the commit that a revision names. Raises ConfigError, also if there are no commits yet."""
        if not revision or revision.startswith("-"):
            raise ConfigError(f"--revision {revision!r} is not a revision; name a branch, a tag or a commit")
        found = self._run("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.decode("ascii").strip()
        if not self._run("rev-list", "-n", "1", "--all").stdout.strip():
            raise ConfigError(f"{self.folder} has no commits yet; commit something first")
        raise ConfigError(f"{self.folder} has no commit {revision!r}; name a branch, a tag or a commit")

    @contextmanager
    def stream(self, *arguments: str) -> Iterator[Iterator[bytes]]:
        """Run git and give its output in blocks; it is stopped when the block is left.

        If git fails, InvalidEntity with its complaint comes after what it had written.
        """
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(
                self._command(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=_environment(),
            )
            assert process.stdout is not None
            try:
                yield self._output(process, process.stdout, complaints)
            finally:
                process.kill()
                process.stdout.close()
                process.wait()

    def _output(self, process: subprocess.Popen[bytes], stdout: IO[bytes], complaints: IO[bytes]) -> Iterator[bytes]:
        yield from plain_blocks(stdout, "git")
        if process.wait():
            complaints.seek(0)
            raise InvalidEntity("", f"{self.folder}: git stopped: {_one_line(complaints.read())}; try `git fsck`")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self._command(arguments), stdin=subprocess.DEVNULL, capture_output=True, env=_environment(), check=False
        )

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        # Started in git's own folder, it finds no .gitattributes: what is checked out must not decide what is binary.
        return [self.program, "-C", self.git_dir, f"--git-dir={self.git_dir}", "--no-pager", *settings, *arguments]


def open_repository(folder: Path) -> GitRepository:
    """Find the repository that `folder` is in.

    Raises ConfigError if git or the repository is missing, or the repository is not to be trusted, or shallow.
    """
    program = shutil.which("git")
    if program is None:
        raise ConfigError("git is not installed, or not in PATH; install it from https://git-scm.com")
    _check_version(program)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; name one with a git repository")
    # Without --git-dir: only so does git refuse repositories that belong to somebody else.
    found = subprocess.run(
        [program, "-C", str(folder), "rev-parse", "--is-shallow-repository", "--absolute-git-dir"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=_environment(),
        check=False,
    )
    if found.returncode:
        raise ConfigError(_refusal(folder, _one_line(found.stderr)))
    shallow, _, git_dir = os.fsdecode(found.stdout).rstrip("\r\n").partition("\n")
    if shallow.strip() == "true":
        remedy = "fetch the rest with `git fetch --unshallow`"
        raise ConfigError(f"{folder} is a shallow clone, whose commits lack their parents; {remedy}")
    return GitRepository(program, folder, git_dir)


def _check_version(program: str) -> None:
    text = subprocess.run(
        [program, "version"], stdin=subprocess.DEVNULL, capture_output=True, env=_environment(), check=False
    ).stdout.decode("utf-8", "replace")
    words = text.split()
    numbers = words[2].split(".") if len(words) > 2 else []
    version = tuple(int(number) for number in numbers[:2] if number.isdigit())
    if version < MINIMUM_VERSION:
        needed = ".".join(map(str, MINIMUM_VERSION))
        raise ConfigError(f"{program} is {text.strip() or 'not git'}; version {needed} or later is needed, upgrade it")


def _refusal(folder: Path, complaint: str) -> str:
    if "dubious ownership" in complaint:
        remedy = f"if you trust it, run `git config --global --add safe.directory {folder.absolute()}`"
        return f"{folder} belongs to another user, so git won't read it; {remedy}"
    if "not a git repository" in complaint:
        return f"{folder} is not in a git repository; name a folder that is"
    return f"{folder}: git can't read the repository: {complaint}"


def _one_line(complaint: bytes) -> str:
    lines = complaint.decode("utf-8", "replace").split("\n")
    told = "; ".join(line.strip() for line in lines if line.strip())
    return told[:_COMPLAINT] or "it said nothing"


def _environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    return {**kept, **_SET}
