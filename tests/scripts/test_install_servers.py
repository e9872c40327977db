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
    assert set(install_servers.INSTALLERS) == {*programs.PROGRAMS, "node", "chromium", "curl", "nginx"}


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


@pytest.mark.parametrize(("module", "artifact"), [("cassandra", "cassandra-all"), ("dynamodb", "DynamoDBLocal")])
def test_the_versions_of_mavens_jars_are_the_locked_ones(checkout: Path, module: str, artifact: str) -> None:
    folder = checkout / "requirements" / "maven" / module
    version = {"cassandra": programs.CASSANDRA, "dynamodb": programs.DYNAMODB}[module]
    project = (folder / "pom.xml").read_text("utf-8")
    assert f"<artifactId>{artifact}</artifactId>\n      <version>{version}</version>" in project
    names = [line.split("  ")[1] for line in (folder / "jars.sha256").read_text("utf-8").splitlines()]
    assert f"{artifact}-{version}.jar" in names
    assert len(names) > 50


def test_jars_other_than_locked_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("a.jar", "b.jar"):
        (tmp_path / name).write_text(name, "utf-8")
    locked = install_servers.hashes(tmp_path)
    assert [line.partition("  ")[2] for line in locked.splitlines()] == ["a.jar", "b.jar"]
    install_servers.check_jars(tmp_path, locked)
    (tmp_path / "a.jar").write_text("spoiled", "utf-8")
    with pytest.raises(install_servers.CannotInstall, match=r"not in it: a\.jar$"):
        install_servers.check_jars(tmp_path, locked)
    (tmp_path / "a.jar").unlink()
    (tmp_path / "c.jar").touch()
    with pytest.raises(install_servers.CannotInstall, match=r"not in it: a\.jar, c\.jar$"):
        install_servers.check_jars(tmp_path, locked)


def test_jars_other_than_locked_are_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(module: str, folder: Path) -> None:
        (folder / f"cassandra-all-{programs.CASSANDRA}.jar").touch()

    monkeypatch.setattr(install_servers, "java_and_maven", lambda maven_too: None)
    monkeypatch.setattr(install_servers, "fetch_jars", fetch)
    assert install_servers.main(["cassandra"]) == 1
    assert "other than their lock says" in capsys.readouterr().err
    assert list(programs.cache().iterdir()) == []


def test_a_lock_that_cannot_be_written_is_told_and_left_as_it_was(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = (checkout / "requirements" / "maven" / "cassandra" / "jars.sha256").read_bytes()
    monkeypatch.setattr(programs, "java", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install_servers.main(["--lock"]) == 1
    assert "install default-jre-headless and maven with your system's package manager" in capsys.readouterr().err
    assert (checkout / "requirements" / "maven" / "cassandra" / "jars.sha256").read_bytes() == before


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
