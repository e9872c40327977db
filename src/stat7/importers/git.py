"""`import git`: the commits of a repository as entities, through the git program.

Two processes stream the history, oldest first: one tells each commit's children, so that what is remembered of a commit
(its generation and the size of its tree) is forgotten when the last of them has passed; one tells all the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stat7.errors import InvalidEntity
from stat7.importers.base import Item
from stat7.importers.git_program import GitRepository, open_repository
from stat7.importers.streams import split_blocks
from stat7.record import Record, format_time, normalise

MAX_BODY: Final = 64 * 1024
"""Characters of a commit's message body that are kept."""

_FIELDS: Final = ("%H", "%P", "%ct", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%s", "%b")
_MARK: Final = b"commit "
_ORDER: Final = ("--topo-order", "--reverse")
# Each option overrides a setting of the user that would change the numbers or the form of the output.
_LOG: Final = (
    "log", *_ORDER, f"--format=tformat:%x00commit {'%x00'.join(_FIELDS)}%x00", "--encoding=UTF-8", "-z", "--raw",
    "--numstat", "--root", "--diff-merges=first-parent", "--no-renames", "--no-abbrev", "--no-color", "--no-decorate",
    "--no-notes", "--no-show-signature", "--no-mailmap", "--no-ext-diff", "--no-textconv", "--no-relative",
    "--diff-algorithm=myers", "--no-indent-heuristic", "--ignore-submodules=none",
)  # fmt: skip


@dataclass(slots=True)
class _Commit:
    """A commit as git tells it, and the sums over the files it touches (against its first parent)."""

    hash: str
    parents: list[str]
    fields: dict[str, bytes]
    cut: bool
    created: int = 0
    deleted: int = 0
    touched: int = 0
    added: int = 0
    removed: int = 0
    binary: int = 0


@dataclass(slots=True)
class _Remembered:
    """What a commit's children need of it, and how many of them are still to come."""

    generation: int
    tree: int
    children: int


def read_git(folder: Path, *, revision: str = "HEAD") -> Iterator[Item]:
    """Every commit that `revision` can reach, parents before children; the place is the commit's hash.

    The id is `commit/` and the hash; every fact comes from the commit and its parents alone (docs/importing.md lists
    all), so it is the same in every complete clone. What is remembered grows with the branches alive at one time, not
    with the length of the history.

    Raises ConfigError if git is missing or older than 2.31, the folder isn't in a git repository, is a shallow clone,
    belongs to another user whom git doesn't trust, or the revision doesn't exist. If git stops on the way (a damaged
    repository), the last item is an error that says why.
    """
    repository = open_repository(folder)
    tip = repository.resolve(revision)
    remembered: dict[str, _Remembered] = {}
    place = "the first commit"
    try:
        for commit, children in _history(repository, tip):
            place = f"after {commit.hash}"
            known = _place(commit, children, remembered)
            try:
                yield Item(commit.hash, _entity(commit, known))
            except InvalidEntity as error:
                yield Item(commit.hash, None, error)
    except InvalidEntity as error:
        yield Item(place, None, error)


def _history(repository: GitRepository, tip: str) -> Iterator[tuple[_Commit, int]]:
    """Every commit behind the tip, oldest first, with the number of its children among them."""
    with (
        repository.stream("rev-list", *_ORDER, "--children", tip, "--") as family,
        repository.stream(*_LOG, tip, "--") as log,
    ):
        families = split_blocks(family)
        for commit in _commits(split_blocks(log, b"\0")):
            line = next(families, None) or b""
            hash, *children = line.split(b" ")
            if hash.decode("ascii", "replace") != commit.hash:
                raise InvalidEntity("", "git's two listings of the history differ; try `git fsck`")
            yield commit, len(children)


def _commits(tokens: Iterator[bytes | None]) -> Iterator[_Commit]:
    """The commits in the output of git log: header fields, then for each file an entry, a path and counts of lines."""
    commit: _Commit | None = None
    for token in tokens:
        token = (token or b"").lstrip(b"\n")
        if token.startswith(_MARK):
            if commit is not None:
                yield commit
            commit = _header(token.removeprefix(_MARK), tokens)
        elif token and commit is not None:
            if token.startswith(b":"):
                _count_file(commit, token)
                next(tokens, None)
            else:
                _count_lines(commit, token)
    if commit is not None:
        yield commit


def _header(hash: bytes, tokens: Iterator[bytes | None]) -> _Commit:
    values = [next(tokens, None) for _ in _FIELDS[1:]]
    fields = {name: value or b"" for name, value in zip(_FIELDS[1:], values, strict=True)}
    parents = fields["%P"].decode("ascii").split()
    return _Commit(hash.decode("ascii"), parents, fields, cut=None in values)


def _count_file(commit: _Commit, entry: bytes) -> None:
    """`:100644 000000 <hash> <hash> D`: count by the letter; a change of type (T) is a change like any other."""
    commit.touched += 1
    commit.created += entry.endswith(b" A")
    commit.deleted += entry.endswith(b" D")


def _count_lines(commit: _Commit, numbers: bytes) -> None:
    """`12<tab>3<tab>path`, with dashes for a binary file."""
    added, removed = numbers.split(b"\t", 2)[:2]
    if added == b"-":
        commit.binary += 1
    else:
        commit.added += int(added)
        commit.removed += int(removed)


def _place(commit: _Commit, children: int, remembered: dict[str, _Remembered]) -> _Remembered:
    """The commit's generation and the files in its tree; forgets parents that have no more children to come."""
    try:
        parents = [remembered[parent] for parent in commit.parents]
    except KeyError as error:
        raise InvalidEntity("", f"the parent {error} of {commit.hash} is missing; try `git fsck`") from None
    generation = max((parent.generation for parent in parents), default=-1) + 1
    before = parents[0].tree if parents else 0
    for name, parent in zip(commit.parents, parents, strict=True):
        parent.children -= 1
        if parent.children <= 0:
            remembered.pop(name, None)
    known = _Remembered(generation, before + commit.created - commit.deleted, children)
    if children:
        remembered[commit.hash] = known
    return known


def _entity(commit: _Commit, known: _Remembered) -> Record:
    lines = commit.added + commit.removed
    modified = commit.touched - commit.created - commit.deleted
    # All files there are before or after: what is deleted counts in the whole too.
    files = known.tree + commit.deleted
    return normalise(
        {
            "stat7": 1,
            "id": f"commit/{commit.hash}",
            "entity_type": "commit",
            "created_at": _time(commit.fields["%ct"]),
            "coordinates": {
                "realm": "event",
                "lineage": known.generation,
                "adjacency": [f"commit/{parent}" for parent in commit.parents],
                "horizon": _horizon(commit),
                "resonance": (modified - commit.created - commit.deleted) / commit.touched if commit.touched else 0,
                "velocity": (commit.added - commit.removed) / lines if lines else 0,
                "density": commit.touched / files if files else 0,
            },
            "state": _state(commit, known),
            "files": [],
            "previous": None,
        }
    )


def _horizon(commit: _Commit) -> str:
    """A root is a genesis, a merge a crystallization; others by whether they take lines away, add files, or neither."""
    if not commit.parents:
        return "genesis"
    if len(commit.parents) > 1:
        return "crystallization"
    if commit.removed > commit.added:
        return "decay"
    return "emergence" if commit.created else "peak"


def _state(commit: _Commit, known: _Remembered) -> dict[str, Any]:
    text = {name: _text(value) for name, value in commit.fields.items()}
    body = text["%b"].rstrip("\n")
    state: dict[str, Any] = {
        "subject": text["%s"][:MAX_BODY],
        "body": body[:MAX_BODY],
        "author": {"name": text["%an"], "email": text["%ae"], "date": text["%aI"]},
        "committer": {"name": text["%cn"], "email": text["%ce"], "date": text["%cI"]},
        "lines_added": commit.added,
        "lines_removed": commit.removed,
        "files_created": commit.created,
        "files_deleted": commit.deleted,
        "files_touched": commit.touched,
        "files_binary": commit.binary,
        "files_in_tree": known.tree,
    }
    if commit.cut or len(body) > MAX_BODY or len(text["%s"]) > MAX_BODY:
        state["message_cut"] = True
    return state


def _text(value: bytes) -> str:
    """Git gives UTF-8 where a commit says its encoding; where it lies or is silent, each byte is taken as Latin-1."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _time(seconds: bytes) -> str | None:
    try:
        return format_time(int(seconds) * 1000)
    except (ValueError, OverflowError):
        return None
