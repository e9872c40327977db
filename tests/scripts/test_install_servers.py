"""The installer leaves alone what is there, tries all that is asked for, and says what to do where it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import install_servers
import pytest

from stat7.testing.servers import programs


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAT7_SERVERS", str(tmp_path / "cache"))


def built(name: str, version: str) -> Path:
    """A program in the cache, as the installer would have put it there."""
    path = programs.built(name, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_what_is_there_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    where = built("versitygw", programs.VERSITYGW)
    assert install_servers.main(["s3"]) == 0
    assert capsys.readouterr().out == f"servers: s3: {where}\n"


def test_every_server_of_the_tests_has_an_installer() -> None:
    assert set(install_servers.INSTALLERS) == {*programs.PROGRAMS, "node"}


def test_an_unknown_name_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        install_servers.main(["s4"])
    assert "no such server: s4; there are node, postgres" in capsys.readouterr().err


def test_where_nothing_can_be_installed_it_says_what_to_do_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    built("fake-gcs-server", programs.FAKE_GCS_SERVER)
    assert install_servers.main(["redis", "node", "gcs"]) == 1
    told = capsys.readouterr()
    assert "servers: redis: install redis-server with your system's package manager" in told.err
    assert "servers: node: install nodejs and npm with your system's package manager" in told.err
    assert "servers: gcs: " in told.out


def test_a_command_that_fails_is_told_with_the_end_of_its_output() -> None:
    with pytest.raises(install_servers.CannotInstall, match=r"(?s)the reason\n.*ended with code 3"):
        install_servers.run([sys.executable, "-c", "print('the reason'); raise SystemExit(3)"])


def test_what_was_not_completed_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "bin" / "program"

    def broken_off() -> None:
        with install_servers.folder_beside(target) as folder:
            (folder / "half").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert list(target.parent.iterdir()) == []


def test_a_go_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert install_servers.go_version(str(tmp_path / "go")) is None
    assert install_servers.go_version(sys.executable) is None


def test_azurites_version_is_the_locked_one(checkout: Path) -> None:
    folder = checkout / "requirements" / "azurite"
    wanted = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]["azurite"]
    locked = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]["node_modules/azurite"]
    assert wanted == locked["version"] == programs.AZURITE


def test_every_locked_npm_package_is_checked_against_its_hash(checkout: Path) -> None:
    text = (checkout / "requirements" / "azurite" / "package-lock.json").read_text("utf-8")
    packages = json.loads(text)["packages"]
    assert len(packages) > 50
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


def test_it_runs_on_a_python_with_nothing_installed(checkout: Path) -> None:
    script = checkout / "scripts" / "install_servers.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "postgres" in done.stdout


def test_a_command_that_hangs_is_given_up_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_servers, "LONGEST", 0.2)
    with pytest.raises(install_servers.CannotInstall, match="was ended after"):
        install_servers.run([sys.executable, "-c", "import time; time.sleep(60)"])
