"""Prove that a wheel works without its source: install it in an empty environment and use it from an empty folder.

Usage: python scripts/smoke_wheel.py WHEEL     (or a folder that holds exactly one wheel)

Its dependencies are those of requirements/runtime.txt, by their hashes; those of its extra `testing` come at last.
Prints
one line a step; exit code 1 at the first that fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOCK = CHECKOUT / "requirements" / "runtime.txt"
LOCK_OF_ALL = CHECKOUT / "requirements" / "dev.txt"
TESTING = ("hypothesis", "sortedcontainers", "pytest", "iniconfig", "packaging", "pluggy", "pygments")
"""What the extra `testing` asks for, and what that asks for."""

ENTITY = {
    "stat7": 1,
    "id": "smoke/ada",
    "entity_type": "character",
    "created_at": "2026-01-31T12:00:00.000Z",
    "coordinates": {
        "realm": "narrative",
        "lineage": 3,
        "adjacency": ["town/oxbow"],
        "horizon": "peak",
        "resonance": 0.82,
        "velocity": -0.1,
        "density": 0.45,
    },
    "state": {"name": "Ada \u2603"},
    "files": [],
    "previous": None,
}

# Runs in the new environment: imports every module of the package (those of extras that are not installed excepted) and
# prints where each came from.
IMPORT_ALL = """
import importlib, json, pkgutil, sys, stat7
OF_EXTRAS = {
    "PIL", "boto3", "botocore", "cassandra", "google", "granian", "httpx", "hypothesis", "jsonschema", "matplotlib",
    "numpy", "obstore", "prometheus_client", "psutil", "psycopg", "psycopg_pool", "pytest", "redis", "scipy"
}
for module in pkgutil.walk_packages(stat7.__path__, "stat7."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OF_EXTRAS:
            raise
print(json.dumps({name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}))
"""

# Runs in the new environment: the data that the package carries, and the published suites.
READ_DATA = """
import importlib.resources, json
import stat7.testing
schema = importlib.resources.files("stat7.stress").joinpath("schema.json").read_text("utf-8")
page = importlib.resources.files("stat7.stress").joinpath("report", "page.css").read_text("utf-8")
suites = [name for name in stat7.testing.__all__ if getattr(stat7.testing, name)]
print(json.dumps({"schema": json.loads(schema)["$id"], "page": len(page), "suites": suites}))
"""


class SmokeError(Exception):
    """A step did not do what it must; the text says which and what it printed."""


class Installed:
    """A wheel in a new virtual environment below `folder`, used from an empty working folder beside it."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "STAT7_", "VIRTUAL_ENV", "COVERAGE_"))
        } | {"PYTHONUTF8": "1"}
        venv.create(folder / "venv", with_pip=True)
        binaries = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.python = binaries / ("python.exe" if os.name == "nt" else "python")
        self.stat7 = binaries / ("stat7.exe" if os.name == "nt" else "stat7")
        self.install("--no-deps", "--require-hashes", "--requirement", LOCK)
        # Without an index this fails if the wheel asks for anything that the lock did not bring.
        self.install("--no-index", wheel.resolve())

    def install(self, *arguments: str | Path) -> None:
        """Run `pip install` with these arguments; raises SmokeError."""
        self.run(self.python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *arguments)

    def run(self, *command: str | Path, stdin: bytes = b"") -> bytes:
        """Run a command in the working folder and give its standard output; raises SmokeError if it fails."""
        done = subprocess.run(
            command, cwd=self.work, env=self._environment, input=stdin, capture_output=True, check=False
        )
        if done.returncode != 0:
            printed = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
            raise SmokeError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{printed}")
        return done.stdout


def expect(held: bool, what: str) -> None:
    """Print `what` if it held, else raise SmokeError."""
    if not held:
        raise SmokeError(f"not so: {what}")
    print(f"  ok  {what}", flush=True)


def check_origin(installed: Installed) -> None:
    """Every module of stat7 can be imported, and none comes from the checkout."""
    loaded: dict[str, str] = json.loads(installed.run(installed.python, "-I", "-c", IMPORT_ALL))
    own = {name for name in loaded if name.partition(".")[0] == "stat7"}
    expect(len(own) > 1, f"{len(own)} modules of stat7 are imported")
    strangers = [path for path in loaded.values() if Path(path).resolve().is_relative_to(CHECKOUT)]
    expect(not strangers, f"none of {len(loaded)} modules comes from the source tree {strangers or ''}".rstrip())


def check_version(installed: Installed, version: str) -> None:
    """Both ways to start it answer --version and --help."""
    for command in ([installed.stat7], [installed.python, "-m", "stat7"]):
        expect(
            version in installed.run(*command, "--version").decode(),
            f"{command[-1]} --version prints {version}".replace(str(installed.stat7), "stat7"),
        )
    expect(b"put" in installed.run(installed.stat7, "--help"), "stat7 --help names its commands")


def check_use(installed: Installed) -> None:
    """An entity goes in, its exact bytes come back, it is found by meaning, and all verifies."""
    stat7 = installed.stat7
    (installed.work / "entity.json").write_text(json.dumps(ENTITY), "utf-8")
    installed.run(stat7, "init", "--store", "sqlite:library.db", "--files", "file:library-files")
    expect((installed.work / "stat7.toml").is_file(), "init writes stat7.toml")
    address = installed.run(stat7, "put", "entity.json").decode().strip()
    expect(len(address) == 64, f"put prints an address: {address}")
    raw = installed.run(stat7, "get", address, "--raw")
    expect(hashlib.sha256(raw).hexdigest() == address, "the SHA-256 of get --raw is that address")
    expect(json.loads(raw) == ENTITY, "get --raw is the document given")
    found = installed.run(stat7, "find", "--realm", "narrative", "--resonance", "0.5..", "--addresses").decode().split()
    expect(found == [address], "find by realm and resonance gives it")
    expect(
        not installed.run(stat7, "find", "--realm", "void", "--addresses").split(),
        "find in another realm gives nothing",
    )
    installed.run(stat7, "verify")
    expect(True, "verify finds nothing wrong")


def check_data(installed: Installed, wheel: Path) -> None:
    """The data and the published suites that the wheel carries can be used, the latter with its extra `testing`."""
    wanted = installed.work / "testing.txt"
    wanted.write_text(locked(LOCK_OF_ALL.read_text("utf-8"), TESTING), "utf-8")
    installed.install("--no-deps", "--require-hashes", "--requirement", wanted)
    installed.install("--no-index", f"{wheel.resolve()}[testing]")
    read = json.loads(installed.run(installed.python, "-I", "-c", READ_DATA))
    expect(read["schema"] == "urn:stat7:stress:1", "the schema of stress results is in the package")
    expect(read["page"] > 0, "the style of the page of reports is in the package")
    expect("EntityStoreSuite" in read["suites"], f"stat7.testing publishes {len(read['suites'])} suites")


def locked(lock: str, names: Sequence[str]) -> str:
    """Those lines of a lock file that pin these packages, with their hashes; raises SmokeError if one isn't there."""
    pins = {pin.partition("==")[0]: pin for pin in re.split(r"^(?=\S)", lock, flags=re.MULTILINE)}
    missing = [name for name in names if name not in pins]
    if missing:
        raise SmokeError(f"{LOCK_OF_ALL.name} does not pin {', '.join(missing)}: `make lock`")
    return "".join(pins[name] for name in names)


def only_wheel(given: Path) -> Path:
    """The wheel itself, or the one in the folder given; raises SmokeError if there is not exactly one."""
    wheels = [given] if given.is_file() else sorted(given.glob("stat7-*.whl"))
    if len(wheels) != 1:
        raise SmokeError(f"{given} holds {len(wheels)} wheels of stat7, need exactly one: `make wheel`")
    return wheels[0]


def main(given: Path) -> int:
    """Run all steps on the wheel; returns the exit code."""
    try:
        wheel = only_wheel(given)
        print(f"smoke test of {wheel.name}", flush=True)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            installed = Installed(wheel, Path(folder))
            check_origin(installed)
            check_version(installed, wheel.name.split("-")[1])
            check_use(installed)
            check_data(installed, wheel)
    except SmokeError as failure:
        print(f"smoke test failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/smoke_wheel.py WHEEL")
    sys.exit(main(Path(sys.argv[1])))
