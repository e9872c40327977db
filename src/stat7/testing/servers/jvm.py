"""How the test servers in Java are run: little memory, a quick start, and for Cassandra what Java 17 hides from it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from stat7.testing.servers import programs
from stat7.testing.servers.base import ServerFailed

QUICK = ("-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
"""For a server that lives for minutes beside others: a small collector, and no time spent on optimizing."""

_EXPORTS = (
    "java.base/jdk.internal.misc java.base/java.lang.ref java.management.rmi/com.sun.jmx.remote.internal.rmi "
    "java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql jdk.unsupported/sun.misc "
    "jdk.compiler/com.sun.tools.javac.file jdk.attach/sun.tools.attach"
)
_OPENS = (
    "java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref "
    "java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module "
    "java.base/jdk.internal.util.jar java.base/sun.nio.ch java.base/java.io java.base/java.lang.reflect "
    "java.base/java.lang java.base/java.util java.base/java.nio "
    "jdk.management/com.sun.management.internal jdk.compiler/com.sun.tools.javac"
)
_MANAGER_NEEDS_LEAVE = 18
"""The release of Java from which on a security manager, which Cassandra installs, has to be allowed."""


def java() -> Path:
    """The Java to run servers with; ServerFailed without one."""
    found = programs.java()
    if found is None:
        releases = " or ".join(map(str, programs.JAVAS))
        raise ServerFailed(f"Java {releases} is not on this machine: install it, or set JAVA_HOME to one")
    return found


def class_path(jars: Path) -> str:
    """Every jar of a folder, in one order always: an archive of classes holds for one class path."""
    return os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))


def opened() -> list[str]:
    """The options that let Cassandra reach into Java."""
    options = [f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTS.split()]
    options += [f"--add-opens={package}=ALL-UNNAMED" for package in _OPENS.split()]
    if programs.java_release(java())[0] >= _MANAGER_NEEDS_LEAVE:
        options.append("-Djava.security.manager=allow")
    return options


def properties(values: Iterable[tuple[str, object]]) -> list[str]:
    """Java's system properties as options."""
    return [f"-D{name}={value}" for name, value in values]


def archive(jars: Path) -> Path:
    """The file, there or not, with the classes of these jars as this very Java has loaded them: it halves a start."""
    build = hashlib.sha256(f"{java()}\n{programs.java_release(java())[1]}".encode()).hexdigest()[:12]
    return jars / f"classes-{build}.jsa"
