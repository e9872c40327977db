"""Distinct files made from a few: each is still valid, shows what its seed shows, and is like no other."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from stat7.errors import ConfigError
from stat7.stress.media import LONG_MOVIE, MAX_MARK, Library, Seed, Shelf, boxes, flaw, gather, keep, paint, read_seed


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media") / "seeds"
    paint(folder)
    return folder


@pytest.fixture(scope="module")
def shelf(painted: Path) -> Shelf:
    kept = painted.parent / "kept"
    keep(gather(painted), kept)
    return Library(kept, 7, "stress/0123456789abcdef/").open()


def seeds(folder: Path) -> list[Seed]:
    found = [read_seed(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    return [seed for seed in found if seed is not None]


def test_each_format_carries_a_mark_and_stays_valid(painted: Path) -> None:
    assert [seed.format for seed in seeds(painted)] == ["png", "jpeg", "gif", "mp4"]
    for seed in seeds(painted):
        for mark in ("a", "b" * MAX_MARK):
            data = seed.marked(mark)
            assert mark.encode() in data
            assert flaw(seed, data) is None
            assert len(data) > len(seed.data)


def test_a_marked_picture_is_read_by_others_with_its_mark(painted: Path) -> None:
    png, jpeg, gif, movie = seeds(painted)
    for seed in (png, jpeg, gif):
        with Image.open(BytesIO(seed.marked("here"))) as picture:
            picture.load()
            found = {str(text) for text in picture.info.values()}
            assert any("here" in text for text in found), seed.format
    assert [kind for kind, _, _ in boxes(movie.marked("here"))][-1] == "free"


def test_what_is_no_longer_valid_has_a_flaw(painted: Path) -> None:
    for seed in seeds(painted):
        data = seed.marked("mark")
        assert flaw(seed, data[: len(data) // 2]) is not None, seed.format
    png, _, _, movie = seeds(painted)
    assert flaw(png, b"") is not None
    moved = movie.marked("mark")
    assert flaw(movie, moved[:100] + b"x" + moved[101:]) is not None
    with Image.open(BytesIO(png.data)) as picture:
        written = BytesIO()
        picture.rotate(90).save(written, "PNG")
    assert flaw(png, written.getvalue()) == "it doesn't show the same picture (another one)"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"plain text",
        b"\0\0\0\x08ftyp",
        b"\0\0\0\x10ftypisom\0\0\0\0",
    ],
)
def test_what_is_no_picture_or_movie_is_no_seed(data: bytes) -> None:
    assert read_seed("x", data) is None


def test_boxes_must_fill_the_file() -> None:
    with pytest.raises(ValueError, match="the file ends at 12"):
        list(boxes(b"\0\0\0\x10moov1234"))
    with pytest.raises(ValueError, match="the box at 0 has 0 bytes"):
        list(boxes(b"\0\0\0\0moov1234"))
    large = b"\0\0\0\x01mdat" + (20).to_bytes(8, "big") + b"1234"
    assert list(boxes(large)) == [("mdat", 0, 20)]


def test_all_files_differ_and_each_is_made_again(shelf: Shelf) -> None:
    digests = {hashlib.sha256(shelf.file(index).data).digest() for index in range(500)}
    assert len(digests) == 500
    for index in range(30):
        media = shelf.file(index)
        assert media == shelf.file(index)
        assert len(media.data) == shelf.size(index)
        assert flaw(media.seed, media.data) is None
    other = Shelf(shelf.groups, 7, "stress/another/")
    assert other.file(3).data != shelf.file(3).data


def test_parts_are_those_of_the_whole(shelf: Shelf) -> None:
    for group in shelf.groups:
        data = shelf.file(5, group).data
        at = shelf.file(5, group).seed.at
        for start, end in ((0, len(data)), (1, 9), (at - 3, at + 5), (at + 2, at + 9), (at, len(data)), (7, 7)):
            low, high = max(start, 0), min(end, len(data))
            assert shelf.part(5, group, low, high) == data[low:high], (group, start, end)


def test_a_library_has_all_groups_and_long_movies(shelf: Shelf) -> None:
    assert list(shelf.groups) == ["thumbnail", "preview", "picture", "movie", "long movie"]
    assert shelf.size(0, "long movie") > LONG_MOVIE
    names = [shelf.file(index).group for index in range(2000)]
    assert 0.7 < names.count("thumbnail") / 2000 < 0.82
    assert names.count("movie") > 0


def test_a_folder_without_pictures_or_movies_is_refused(tmp_path: Path, painted: Path) -> None:
    with pytest.raises(ConfigError, match="holds no movies"):
        gather(tmp_path)
    (tmp_path / "d.mp4").write_bytes((painted / "d.mp4").read_bytes())
    (tmp_path / "broken.png").write_bytes((painted / "a.png").read_bytes()[:100])
    with pytest.raises(ConfigError, match="holds no pictures"):
        gather(tmp_path)
