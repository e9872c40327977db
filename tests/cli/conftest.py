"""A command line in an empty folder, run in this process."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stat7.cli.app import run as run_cli


class Done(NamedTuple):
    """What a command left: exit code, standard output and standard error."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode()

    @property
    def lines(self) -> list[str]:
        """Standard output, line by line."""
        return self.text.splitlines()


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run `stat7 …` in an empty folder, with no settings from outside; `stdin` gives it bytes to read."""
    monkeypatch.chdir(tmp_path)
    for name in ("STAT7_STORE", "STAT7_FILES"):
        monkeypatch.delenv(name, raising=False)

    def run_one(*arguments: object, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        code = run_cli([str(argument) for argument in arguments])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return Done(code, captured.out, captured.err.decode())

    return run_one


def document(**changes: Any) -> dict[str, Any]:
    """A valid document with some members changed; names of coordinates change those."""
    place = {
        "realm": "narrative",
        "lineage": 3,
        "adjacency": ["town/oxbow"],
        "horizon": "peak",
        "resonance": 0.82,
        "velocity": 0.1,
        "density": 0.45,
    }
    whole: dict[str, Any] = {
        "stat7": 1,
        "id": "hero/ada",
        "entity_type": "character",
        "created_at": None,
        "coordinates": place,
        "state": {"name": "Ada"},
        "files": [],
        "previous": None,
    }
    for name, value in changes.items():
        (place if name in place else whole)[name] = value
    return whole


def as_json(**changes: Any) -> bytes:
    """`document` as JSON text."""
    return json.dumps(document(**changes)).encode()
