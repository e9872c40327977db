"""Where a run takes place: machine, versions, durability, and how busy the machine was before."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psutil

import stat7
from stat7.disk import file_system
from stat7.repository import Repository

PACKAGES: Final = ("apsw", "numpy", "orjson", "psutil", "xxhash")


def describe(folder: Path, durability: Sequence[str]) -> dict[str, Any]:
    """The environment of a run whose store lies in, or on the same disk as, `folder`."""
    return {
        "cpu": _cpu(),
        "cores": {"usable": usable_cores(), "logical": psutil.cpu_count(), "physical": psutil.cpu_count(logical=False)},
        "memory_bytes": psutil.virtual_memory().total,
        "platform": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {"stat7": stat7.__version__, "sqlite": _sqlite(), **{name: _version(name) for name in PACKAGES}},
        "filesystem": filesystem_of(folder),
        "durability": list(durability),
        "git_commit": _git_commit(),
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }


def durability_of(repository: Repository) -> list[str]:
    """What a store says about its own durability: its capability, then whatever its diagnosis says under that name."""
    capable = repository.store.capabilities.durable
    lines = ["acknowledged writes survive a power cut" if capable else "acknowledged writes may be lost in a power cut"]
    diagnose = getattr(repository.store, "diagnose", None)
    checks = diagnose() if diagnose is not None else []
    return [*lines, *(f"{check.name}: {check.text}" for check in checks if "dura" in check.name.lower())]


def usable_cores() -> int:
    """Cores that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # where the system has it
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def filesystem_of(folder: Path) -> str | None:
    """The type of the file system that holds a folder (`ext4`, `apfs`, `NTFS`), None if it can't be told."""
    # psutil knows the mounts of every system.
    return file_system(folder, [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)])


def _cpu() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None) or platform.processor() or None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _sqlite() -> str | None:
    try:
        import apsw
    except ImportError:
        return None
    return apsw.sqlite_lib_version()


def _git_commit() -> str | None:
    """The commit of the source tree that the package was imported from, with `+` where it has changes; else None."""
    source = Path(stat7.__file__).resolve().parent
    try:
        commit = _git(source, "rev-parse", "HEAD")
        tracked = _git(source, "ls-files", "--", str(Path(stat7.__file__).resolve()))
        return (commit + ("+" if _git(source, "status", "--porcelain", "--", ".") else "")) if tracked else None
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
