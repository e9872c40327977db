"""`make demo`: the main job on real data, by the same commands that a person types. Every line it shows is real output.

Usage: python scripts/demo.py [--data FOLDER] [--output FOLDER] [--no-stress]

FOLDER holds pictures/, movies/ and tables/ as scripts/demo_data.py lays them out. Everything is written into the output
folder (default demo-output, removed first), nothing outside it. Exits with 1 as soon as something isn't as promised.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MARKER = ".stat7-demo"
STRESS_SECONDS = 60
"""What the quick stress test may take."""


class Demo:
    """Runs commands in the output folder and shows them the way a terminal would."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("STAT7_")}

    def chapter(self, title: str) -> None:
        """Announce the next part."""
        line = f"── {title} "
        print(f"\n{line}{'─' * max(0, 100 - len(line))}", flush=True)

    def run(self, *arguments: str, expect: int = 0, show: bool = True) -> None:
        """Show and run `stat7 ARGUMENTS` on this terminal; stop the demo if its exit code isn't the expected one."""
        if show:
            print(f"$ stat7 {shlex.join(arguments)}", flush=True)
        done = subprocess.run(self._command(arguments), cwd=self.output, env=self.environment, check=False)
        self.require(done.returncode == expect, f"exit code {done.returncode}, expected {expect}")

    def read(self, *arguments: str) -> bytes:
        """Run `stat7 ARGUMENTS` quietly and return its standard output."""
        done = subprocess.run(
            self._command(arguments), cwd=self.output, env=self.environment, check=False, stdout=subprocess.PIPE
        )
        self.require(done.returncode == 0, f"stat7 {shlex.join(arguments)}: exit code {done.returncode}")
        return done.stdout

    def require(self, holds: bool, otherwise: str) -> None:
        """Stop the demo, saying why, unless something holds."""
        if not holds:
            print(f"\ndemo: this should not happen: {otherwise}", file=sys.stderr)
            sys.exit(1)

    @staticmethod
    def _command(arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "stat7", *arguments]


def bring_in(demo: Demo, data: Path) -> None:
    """A store, and four kinds of real data in it."""
    demo.chapter("1. A store in this folder")
    demo.run("init", "--store", "sqlite:library.db", "--files", "file:library-files")
    demo.chapter("2. Real data in: a table, pictures, movies, a git history")
    mapping = ROOT / "examples" / "airports.toml"
    demo.run("import", "table", str(data / "tables" / "airports.csv"), "--map", str(mapping))
    demo.run("import", "files", str(data / "pictures"), "--prefix", "pictures/", "--no-dates")
    demo.run("import", "files", str(data / "movies"), "--prefix", "movies/", "--no-dates")
    if _has_full_history():
        demo.run("import", "git", str(ROOT))
    else:
        print("(this checkout is not a git clone with its whole history: the import of its commits is left out)")
    print("\nOnce more, to see that running an import again changes nothing:")
    demo.run("import", "files", str(data / "movies"), "--prefix", "movies/", "--no-dates")


def find_by_meaning(demo: Demo) -> None:
    """Finds over the coordinates, with their results and one plan."""
    demo.chapter("3. Find by meaning, not by path")
    print("Airports in the far north (resonance is the latitude in this mapping):")
    demo.run("find", "--type", "airport", "--resonance", "0.75..", "--limit", "5")
    print("\nFiles that hardly compress (density tells), as pictures and movies do:")
    demo.run("find", "--type", "file", "--density", "0.95..", "--limit", "5")
    print("\nHow such a question is answered:")
    demo.run("explain", "--realm", "data", "--horizon", "peak", "--resonance", "0.75..")
    print("\nWhat is next to the folder of movies:")
    demo.run("neighbours", "movies")


def prove(demo: Demo) -> str:
    """One document's bytes hashed outside stat7; returns its address."""
    demo.chapter("4. The address is the hash: check it without our software")
    address = demo.read("find", "--type", "file", "--addresses", "--limit", "1").decode().split()[0]
    raw = demo.read("get", address, "--raw")
    found = hashlib.sha256(raw).hexdigest()
    print(f"$ stat7 get {address} --raw | sha256sum\n{found}  -")
    demo.require(found == address, "the bytes do not hash to their address")
    print("They are the same: these are the bytes that were put in.")
    picture = json.loads(raw)["files"][0]["sha256"]
    content = demo.read("file", "cat", picture)
    print(f"$ stat7 file cat {picture} | sha256sum\n{hashlib.sha256(content).hexdigest()}  -")
    demo.require(hashlib.sha256(content).hexdigest() == picture, "the file does not hash to its name")
    return address


def damage_and_repair(demo: Demo, address: str) -> None:
    """A verified copy, one flipped byte in it, and what verify says and mends."""
    demo.chapter("5. A copy, damaged behind our back, is caught and repaired")
    demo.run("copy", "--verify", "sqlite:library.db", "sqlite:backup.db")
    _flip_a_byte(demo, demo.output / "backup.db", demo.read("get", address, "--raw"))
    print(f"\nOne byte of {address[:12]}… has been changed inside backup.db. It is not served:")
    demo.run("get", address, "--store", "sqlite:backup.db", "--files", "file:backup-files", expect=5)
    print("\nand verify names it, then mends it from the original:")
    demo.run("verify", "--store", "sqlite:backup.db", "--files", "file:backup-files", expect=5)
    demo.run(
        "verify", "--store", "sqlite:backup.db", "--files", "file:backup-files", "--repair-from", "sqlite:library.db"
    )
    demo.run("verify", "--store", "sqlite:backup.db", "--files", "file:backup-files")


def _flip_a_byte(demo: Demo, database: Path, document: bytes) -> None:
    """Change one byte in the middle of a document inside the database's own file, as a failing disk would."""
    data = bytearray(database.read_bytes())
    # The end of a document lies in one piece on its page.
    at = data.find(document[-100:])
    demo.require(at > 0, "the document is not found in the database file")
    data[at + 50] ^= 1
    database.write_bytes(data)


def measure(demo: Demo) -> None:
    """The quick stress test; its verdicts may be FAIL on a slow machine, and that is an honest answer."""
    demo.chapter("6. How far does this machine go? The quick stress test")
    command = ["stress", "--quick"]
    print(f"$ stat7 {shlex.join(command)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "stat7", *command], cwd=demo.output, env=demo.environment, check=False)
    demo.require(done.returncode in (0, 1, 7), f"the stress test ended with exit code {done.returncode}")
    results = sorted(demo.output.glob("STRESS_TEST_RESULTS_*.json"))
    demo.require(bool(results), "the stress test left no results")
    fault = unlike_promised(json.loads(results[-1].read_text("utf-8")))
    demo.require(fault is None, f"{results[-1].name}: {fault}")


def unlike_promised(results: dict[str, Any]) -> str | None:
    """What the results of the quick stress test lack of what is promised of them; None if nothing does."""
    seconds = results["run"]["seconds"]
    if not 0 < seconds <= STRESS_SECONDS:
        return f"the run took {seconds:.0f} s, more than {STRESS_SECONDS} s"
    if not results["tests"]:
        return "no test was run"
    for test in results["tests"]:
        if test["verdict"] not in ("PASS", "FAIL", "INCONCLUSIVE", "NO_DATA"):
            return f"{test['name']} at {test['scale']} is {test['verdict']}: {test['why']}"
    return None


def _has_full_history() -> bool:
    """Whether the checkout is a git work tree whose history isn't cut off."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--is-shallow-repository", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0 and done.stdout.split()[:1] == ["false"]


def _prepare(output: Path) -> None:
    """An empty output folder; one that isn't the demo's own is left alone."""
    if output.exists() and any(output.iterdir()) and not (output / MARKER).exists():
        sys.exit(f"demo: {output} is not empty and not from a demo; choose another with --output")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    (output / MARKER).touch()


def main() -> None:
    """Run all chapters."""
    parser = argparse.ArgumentParser(description="The main job of stat7 on real data.")
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "demo-data")
    parser.add_argument("--output", type=Path, default=ROOT / "demo-output")
    parser.add_argument("--no-stress", action="store_true", help="leave out the stress test at the end")
    options = parser.parse_args()
    started = time.monotonic()
    _prepare(options.output)
    demo = Demo(options.output.resolve())
    bring_in(demo, options.data.resolve())
    find_by_meaning(demo)
    damage_and_repair(demo, prove(demo))
    demo.chapter("What is there now")
    demo.run("stats")
    demo.run("digest")
    if not options.no_stress:
        measure(demo)
    demo.chapter("Done")
    seconds = time.monotonic() - started
    print(f"All of it took {seconds:.0f} s. The store, its copy and the results are in {options.output.name}/.")
    print(f"Try next:  cd {options.output.name} && . ../.venv/bin/activate")
    print("           stat7 find 'stat7://data/*/*/*?d=0.9..' --json | head")
    print("           stat7 serve      and open http://127.0.0.1:7007/ to look at all of it")
    print("           stat7 doctor")
    print("           stat7 --help")


if __name__ == "__main__":
    main()
