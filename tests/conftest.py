"""What all tests share: the Hypothesis profiles, a clean environment, the checkout and the programs outside Python."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

from stat7.repository import Repository
from stat7.testing.required import missing as missing
from stat7.testing.required import need_driver
from tests.repositories import KINDS, make_repository

if TYPE_CHECKING:
    from tests.gateways import Gateways

pytest_plugins = ["stat7.testing.fixtures"]

# quick: while writing code. ci: the same examples in every run. thorough: HYPOTHESIS_PROFILE names it.
# No deadlines: the machines are shared and slow at times, and how long an example takes proves nothing.
settings.register_profile("quick", max_examples=40, stateful_step_count=25, deadline=None)
settings.register_profile(
    "ci",
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
settings.register_profile("thorough", max_examples=3000, stateful_step_count=80, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))

_ROOT = Path(__file__).resolve().parent.parent
_SETTINGS = (
    "STAT7_STORE", "STAT7_FILES", "STAT7_CACHE", "STAT7_REPLICA", "STAT7_KEY", "STORAGE_EMULATOR_HOST", "TERM",
)  # fmt: skip
_FOREIGN = ("AWS_", "AZURE_", "CASSANDRA_", "GOOGLE_", "PG")


def pytest_configure() -> None:
    """Hear interrupts as a program on a terminal does, and so do the commands that tests start, wherever they run: in
    the background of a script, say, where interrupts are ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests, and the commands they start, see no store that whoever runs them has set."""
    for name in (*_SETTINGS, *(name for name in os.environ if name.startswith(_FOREIGN))):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def gateway_server() -> Iterator[Gateways]:
    """A server in this process, for any number of gateways."""
    need_driver("gateway", "granian")
    from tests.gateways import serving

    with serving() as made:
        yield made


@pytest.fixture
def gateways(gateway_server: Gateways) -> Iterator[Gateways]:
    """A server in this process, to which the test adds gateways over stores of its own."""
    yield gateway_server
    gateway_server.close()


@pytest.fixture(params=KINDS)
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    """An empty repository on each pair of stores."""
    with make_repository(request.param, tmp_path / "repository") as made:
        yield made


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the source tree."""
    return _ROOT


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Gives the path of a program outside Python by its name, `node` say.

    Where it is missing the test is skipped, or fails if STAT7_TEST_REQUIRE (a comma list) names it.
    """

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            missing(name, f"{name} is not on the PATH: `make servers` installs it")
        return path

    return find
