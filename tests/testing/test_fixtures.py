"""The fixtures skip or fail where a server is missing, and a failed test's report shows what its server said."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from stat7.testing.required import missing, need, need_driver
from stat7.testing.servers.turns import taking_turns

USES = """
def test_it(redis_url):
    pass
"""

FAILS = """
import socket

def test_first(start_server, redis_server, redis_url):
    pass

def test_it(redis_server, redis_url, fault_proxy):
    proxy = fault_proxy(redis_server)
    with socket.create_connection(proxy.address) as client:
        client.sendall(b"EVAL \\"redis.log(redis.LOG_WARNING, 'spoken-in-this-test')\\" 0\\r\\nQUIT\\r\\n")
        while client.recv(1000):
            pass
    assert False
"""


def pytest_run(folder: Path, test: str, **environment: str) -> str:
    """What pytest says about a test module with these fixtures and nothing else."""
    (folder / "test_it.py").write_text(test, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "stat7.testing.fixtures", "-p", "no:cacheprovider", "-rs", "test_it.py"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_without_the_program_a_test_is_skipped_with_the_remedy(tmp_path: Path) -> None:
    told = pytest_run(tmp_path, USES, PATH=str(tmp_path), STAT7_TEST_REQUIRE="node,s3")
    assert "1 skipped" in told
    assert "make servers SERVERS=redis" in told


def test_without_the_program_a_test_fails_where_it_is_required(tmp_path: Path) -> None:
    told = pytest_run(tmp_path, USES, PATH=str(tmp_path), STAT7_TEST_REQUIRE="node, redis")
    assert "1 error" in told
    assert "STAT7_TEST_REQUIRE names redis" in told


def test_a_failed_test_shows_what_its_server_said_and_keeps_the_log(tmp_path: Path) -> None:
    need("redis")
    told = pytest_run(tmp_path, FAILS, TMPDIR=str(tmp_path))
    assert "1 failed, 1 passed" in told
    report = told.partition("log of Redis during the test (")[2]
    log, _, said = report.partition(")")
    assert "spoken-in-this-test" in said
    assert "Ready to accept connections" not in said.partition("=== short test summary")[0]
    assert "spoken-in-this-test" in Path(log).read_text("utf-8")
    assert [path.name for path in tmp_path.glob("stat7-*")] == [Path(log).name]


def test_a_missing_driver_is_told_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    need_driver("postgres", "json")
    monkeypatch.setenv("STAT7_TEST_REQUIRE", "")
    with pytest.raises(pytest.skip.Exception, match=r"stat7_no_such_driver.*pip install 'stat7\[postgres\]'"):
        need_driver("postgres", "stat7_no_such_driver")
    with pytest.raises(pytest.skip.Exception, match="reason"):
        missing("postgres", "reason")


@pytest.mark.skipif(sys.platform == "win32", reason="nobody waits there")
def test_whoever_takes_turns_waits_for_the_one_inside_and_for_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inside = threading.Event()

    def other() -> None:
        with taking_turns("one"):
            inside.set()

    with taking_turns("one"):
        thread = threading.Thread(target=other)
        thread.start()
        with taking_turns("two"):
            assert not inside.wait(0.2)
    thread.join(10)
    assert inside.is_set()
