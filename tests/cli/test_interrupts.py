"""An interrupt at any moment ends a command with one line and exit code 130; one that is ignored changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import Run, as_json
from tests.uncounted import environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are different there")


def _stat7(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with `before` carried out there first."""
    code = f"import sys\n{before}\nfrom stat7.cli import main\nmain(sys.argv[1:])"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())


@pytest.mark.parametrize("moment", ["click", "stat7.cli.finding"])
def test_an_interrupt_while_modules_are_loaded_is_one_line(run: Run, moment: str) -> None:
    run("put", "-", stdin=as_json())
    hook = f"""
import os, signal
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {moment!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
"""
    done = _stat7("find", before=hook)
    assert done.returncode == 130
    assert len(done.stderr.split()) > 1
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_command_that_was_started_to_ignore_interrupts_ignores_them(run: Run) -> None:
    run("put", "-", stdin=as_json())
    ignoring = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN); os.kill(os.getpid(), signal.SIGINT)"
    done = _stat7("find", before=ignoring)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_that_python_drops_in_a_finalizer_is_heard_all_the_same() -> None:
    dropping = """
import os, signal, time
from stat7.cli import app
class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
def work(arguments):
    Finalized()
    time.sleep(30)
app.main = work
"""
    done = _stat7("find", before=dropping)
    assert (done.returncode, done.stderr) == (130, "stat7: interrupted\n")
