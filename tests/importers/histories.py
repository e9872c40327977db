"""Small git repositories for tests, made with the git program alone and independent of the user's settings."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

NOON: Final = 1_769_860_800
"""2026-01-31T12:00:00Z."""


class History:
    """A repository in `folder` with commits dated one second after the other."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.now = NOON
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None) -> str:
        """Run git here; its output as text."""
        person = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": f"@{self.now} +0100"}
        who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}
        settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", "-C", str(self.folder), *arguments]
        environment = {**plain, **who, **settings, **(extra or {})}
        done = subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout.decode("utf-8", "replace").strip()

    def write(self, name: str, data: str | bytes) -> None:
        """Put a file in the work tree and the index."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        self.git("--literal-pathspecs", "add", "--", name)

    def commit(self, message: str = "A change", *options: str) -> str:
        """Commit the index; the commit's hash."""
        self.now += 1
        self.git("commit", "--quiet", "--allow-empty", "--allow-empty-message", "-m", message, *options)
        return self.git("rev-parse", "HEAD")

    def raw_commit(self, lines: bytes, message: bytes = b"Raw\n") -> str:
        """Write a commit object as given, after its line `tree`; its hash."""
        tree = self.git("write-tree").encode()
        data = b"tree " + tree + b"\n" + lines + b"\n\n" + message
        return self.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=data)

    def tree(self, commit: str) -> int:
        """The number of files in a commit's tree."""
        return len(self.git("ls-tree", "-r", "--name-only", "-z", commit).rstrip("\0").split("\0"))


def random_history(history: History, seed: int, count: int) -> None:
    """Commit `count` times on several branches with merges, additions, changes and deletions, in one go."""
    chance = random.Random(seed)
    trees: list[dict[str, int]] = []
    stream: list[str] = []
    for number in range(1, count + 1):
        parents = sorted(chance.sample(range(1, number), min(number - 1, chance.choice((0, 1, 1, 1, 2, 3)))))
        chance.shuffle(parents)
        files = dict(trees[parents[0] - 1]) if parents else {}
        for name in chance.sample([f"d{n % 3}/f{n}" for n in range(12)], chance.randint(1, 4)):
            if name in files and chance.random() < 0.4:
                del files[name]
            else:
                files[name] = number
        trees.append(files)
        stream.append(
            f"commit refs/heads/b{number}\nmark :{number}\ncommitter Ada <a@b> {NOON + number} +0000\ndata 0\n"
        )
        stream += [f"{'merge' if index else 'from'} :{parent}\n" for index, parent in enumerate(parents)]
        stream.append("deleteall\n")
        for name, content in files.items():
            text = "line\n" * content
            stream.append(f"M 100644 inline {name}\ndata {len(text)}\n{text}\n")
    tips = [f":{number}" for number in range(1, count + 1)]
    stream.append(f"commit refs/heads/main\ncommitter Ada <a@b> {NOON} +0000\ndata 0\nfrom {tips[-1]}\n")
    stream += [f"merge {tip}\n" for tip in tips[-6:-1]]
    history.git("fast-import", "--quiet", stdin="".join(stream).encode())
