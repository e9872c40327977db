"""Any number of distinct pictures and movies made from a few real ones: each has a mark of its own in a place that its
format keeps for remarks, so that it stays a valid file and shows the same picture.

    JPEG    a comment segment before the first table         PNG    a tEXt chunk after the header
    GIF     a comment extension before the first picture     MP4    a `free` box at the end
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

from stat7.errors import ConfigError

PNG: Final = b"\x89PNG\r\n\x1a\n"
GIF: Final = b"GIF89a"
JPEG: Final = b"\xff\xd8\xff"
MAX_MARK: Final = 255
"""Bytes of a mark at most: what a block of a GIF holds."""

SEED_BYTES: Final = 32 * 1024 * 1024
"""Files larger than this are left alone: variants are made in memory."""

LONG_MOVIE: Final = 4 * 1024 * 1024
"""Bytes that a long movie has at least."""

PER_MILLE: Final = {"thumbnail": 760, "preview": 150, "picture": 79, "movie": 10, "long movie": 1}
"""The make-up of a library: of 1,000 files so many are of each group. An assumption, after what photo programs keep (a
thumbnail or several and a preview for each picture), not a measurement."""

EDGES: Final = {"thumbnail": (96, 160, 256), "preview": (640,)}
"""Longest edges in pixels of what is derived from each picture, as JPEG."""

_BOX: Final = struct.Struct(">I4s")
_LARGE_BOX: Final = struct.Struct(">Q")


class Seed(NamedTuple):
    """A real file: its format (`jpeg`, `png`, `gif`, `mp4`), its bytes, and where a mark goes."""

    name: str
    format: str
    data: bytes
    at: int

    def marked(self, mark: str) -> bytes:
        """The same picture or movie with a mark (ASCII, at most MAX_MARK) in it: other bytes for every mark."""
        return b"".join((self.data[: self.at], self._written(mark), self.data[self.at :]))

    def part(self, mark: str, start: int, end: int) -> bytes:
        """`marked(mark)[start:end]`, without making the rest."""
        inside = self._written(mark)
        after = self.at + len(inside)
        return b"".join(
            (
                self.data[start : min(end, self.at)],
                inside[max(start - self.at, 0) : max(end - self.at, 0)],
                self.data[max(start - len(inside), self.at) : max(end - len(inside), self.at)] if end > after else b"",
            )
        )

    def _written(self, mark: str) -> bytes:
        return _WRITERS[self.format](mark.encode("ascii"))


class Media(NamedTuple):
    """One file of a library: the group and the seed it was made from."""

    group: str
    data: bytes
    seed: Seed


def read_seed(name: str, data: bytes) -> Seed | None:
    """The seed in these bytes; None if they are of no format known here, or not whole."""
    try:
        for start, known, place in ((PNG, "png", _after_header), (GIF, "gif", _after_table), (JPEG, "jpeg", _in_jpeg)):
            if data.startswith(start):
                return Seed(name, known, data, place(data))
        if data[4:8] == b"ftyp" and {"moov", "mdat"} <= {kind for kind, _, _ in boxes(data)}:
            return Seed(name, "mp4", data, len(data))
    except (ValueError, IndexError, struct.error):
        return None
    return None


def boxes(data: bytes) -> Iterator[tuple[str, int, int]]:
    """The top boxes of an MP4 file: kind, begin and end. Raises ValueError if they don't fill the file exactly."""
    at = 0
    while at < len(data):
        size, kind = _BOX.unpack_from(data, at)
        if size == 1:
            (size,) = _LARGE_BOX.unpack_from(data, at + 8)
        # Size 0 means: to the end of the file, where nothing could follow.
        if size < 8 or at + size > len(data):
            raise ValueError(f"the box at {at} has {size} bytes, the file ends at {len(data)}")
        yield kind.decode("latin-1"), at, at + size
        at += size


def flaw(seed: Seed, data: bytes) -> str | None:
    """What is wrong with a marked file: it can't be decoded, or shows something else than its seed. None if nothing."""
    if seed.format == "mp4":
        try:
            found = [(kind, data[begin:end]) for kind, begin, end in boxes(data)]
        except (ValueError, struct.error) as error:
            return str(error)
        wanted = [(kind, seed.data[begin:end]) for kind, begin, end in boxes(seed.data)]
        return None if found[:-1] == wanted and found[-1][0] == "free" else "its boxes aren't those of its seed"
    shown = _pixels(data)
    same = isinstance(shown, tuple) and shown == _pixels(seed.data)
    return None if same else f"it doesn't show the same picture ({shown if isinstance(shown, str) else 'another one'})"


def _pixels(data: bytes) -> tuple[object, ...] | str:
    """What a picture shows, decoded whole; the text of the error if that fails."""
    from io import BytesIO

    from PIL import Image

    try:
        with Image.open(BytesIO(data)) as picture:
            picture.load()
            return picture.mode, picture.size, picture.tobytes()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{type(error).__name__}: {error}"


def _after_header(data: bytes) -> int:
    if data[12:16] != b"IHDR":
        raise ValueError("no IHDR chunk comes first")
    return 33


def _after_table(data: bytes) -> int:
    flags = data[10]
    return 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)


def _in_jpeg(data: bytes) -> int:
    """After the segments of the application (JFIF, Exif), which want to come first."""
    at = 2
    while data[at] == 0xFF and 0xE0 <= data[at + 1] <= 0xEF:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if data[at] != 0xFF:
        raise ValueError("a segment ends where none begins")
    return at


def _comment_segment(mark: bytes) -> bytes:
    return b"\xff\xfe" + (len(mark) + 2).to_bytes(2, "big") + mark


def _text_chunk(mark: bytes) -> bytes:
    body = b"tEXtComment\0" + mark
    return (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def _comment_extension(mark: bytes) -> bytes:
    return b"\x21\xfe" + bytes([len(mark)]) + mark + b"\0"


def _free_box(mark: bytes) -> bytes:
    return _BOX.pack(8 + len(mark), b"free") + mark


_WRITERS: Final = {"jpeg": _comment_segment, "png": _text_chunk, "gif": _comment_extension, "mp4": _free_box}


def gather(folder: Path) -> dict[str, list[Seed]]:
    """The seeds below a folder, by group: thumbnails and previews are made from its pictures, long movies from its
    movies. Raises ConfigError if it has no picture or no movie that is known here, or can't be read.
    """
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= SEED_BYTES)
        read = [read_seed(path.name, path.read_bytes()) for path in paths]
    except OSError as error:
        raise ConfigError(f"--media: {folder}: {error.strerror or error}") from None
    seeds = [seed for seed in read if seed is not None]
    pictures = [seed for seed in seeds if seed.format != "mp4" and isinstance(_pixels(seed.data), tuple)]
    movies = [seed for seed in seeds if seed.format == "mp4"]
    if not pictures or not movies:
        lacking = "pictures (.jpg, .png, .gif)" if movies else "movies (.mp4)"
        raise ConfigError(f"--media: {folder} holds no {lacking} that can be read; name a folder with both")
    derived = {group: [small for seed in pictures for small in _derived(seed, EDGES[group])] for group in EDGES}
    groups = {**derived, "picture": pictures, "movie": movies, "long movie": [_long(movies)]}
    return {group: found for group, found in groups.items() if found}


def _derived(seed: Seed, edges: Sequence[int]) -> Iterator[Seed]:
    """The picture in smaller, as JPEG; only where it is larger than that."""
    from io import BytesIO

    from PIL import Image

    for edge in edges:
        with Image.open(BytesIO(seed.data)) as picture:
            if max(picture.size) < edge:
                continue
            small = picture.convert("RGB")
        small.thumbnail((edge, edge))
        written = BytesIO()
        small.save(written, "JPEG", quality=85)
        made = read_seed(f"{seed.name}-{edge}", written.getvalue())
        if made is not None:
            yield made


def _long(movies: Sequence[Seed]) -> Seed:
    """The largest movie, followed by `mdat` boxes with the media of all movies until it is long."""
    largest = max(movies, key=lambda seed: len(seed.data))
    parts = [largest.data]
    media = [seed.data[begin:end] for seed in movies for kind, begin, end in boxes(seed.data) if kind == "mdat"]
    total = len(largest.data)
    while total < LONG_MOVIE:
        parts += media
        total += sum(map(len, media))
    data = b"".join(parts)
    return Seed(f"{largest.name}-long", "mp4", data, len(data))


def paint(folder: Path) -> None:
    """Make pictures and a movie of nothing in a new folder: enough to try the harness, where no real ones are."""
    from PIL import Image

    folder.mkdir(parents=True)
    picture = Image.linear_gradient("L")
    picture.resize((700, 500)).save(folder / "a.png")
    picture.rotate(30).resize((700, 500)).save(folder / "b.jpg")
    picture.resize((120, 90)).save(folder / "c.gif", comment=b"painted")
    media = _BOX.pack(50_008, b"mdat") + b"movie" * 10_000
    header = _BOX.pack(16, b"ftyp") + b"isom\0\0\2\0"
    (folder / "d.mp4").write_bytes(header + _BOX.pack(8, b"moov") + media)


@dataclass(frozen=True, slots=True)
class Library:
    """An endless list of distinct files, made from the seeds in a folder (written there by `keep`).

    `prefix` is part of every mark, so that libraries of different prefixes have no file in common.
    """

    folder: Path
    seed: int
    prefix: str = ""

    def open(self, only: Sequence[str] = tuple(PER_MILLE)) -> Shelf:
        """The seeds, read into memory: of these groups alone, if given, and then for files asked for by group."""
        groups: dict[str, list[Seed]] = {}
        for group in only:
            paths = sorted(self.folder.glob(f"{group}-*"))
            read = [read_seed(path.name, path.read_bytes()) for path in paths]
            groups[group] = [seed for seed in read if seed is not None]
        return Shelf({group: seeds for group, seeds in groups.items() if seeds}, self.seed, self.prefix)


def keep(groups: dict[str, list[Seed]], folder: Path) -> None:
    """Write the seeds where workers find them."""
    folder.mkdir(parents=True)
    for group, seeds in groups.items():
        for number, seed in enumerate(seeds):
            (folder / f"{group}-{number:04d}").write_bytes(seed.data)


class Shelf:
    """The files of a library by their index."""

    def __init__(self, groups: dict[str, list[Seed]], seed: int, prefix: str) -> None:
        self.groups = groups
        self._names = list(groups)
        self._ends = list(accumulate(PER_MILLE[group] for group in groups))
        self._key = seed.to_bytes(8, "little", signed=True)
        self._mark = f"stat7 stress {prefix}{seed}/"

    def file(self, index: int, group: str | None = None) -> Media:
        """File `index` (0 <= index < 2^63): the same bytes at each call, others for any other index. Of one group only,
        if given."""
        group, seed = self._chosen(index, group)
        return Media(group, seed.marked(self._marked(index)), seed)

    def size(self, index: int, group: str | None = None) -> int:
        """Its bytes, without making it."""
        _, seed = self._chosen(index, group)
        return len(seed.data) + len(_WRITERS[seed.format](self._marked(index).encode("ascii")))

    def part(self, index: int, group: str, start: int, end: int) -> bytes:
        """The bytes of file `index` of this group from `start` up to `end`, without making the rest."""
        return self._chosen(index, group)[1].part(self._marked(index), start, end)

    def _marked(self, index: int) -> str:
        return f"{self._mark}{index}"

    def _chosen(self, index: int, group: str | None) -> tuple[str, Seed]:
        digest = blake2b(index.to_bytes(8, "little"), digest_size=16, key=self._key).digest()
        draw = int.from_bytes(digest[:8], "little") % self._ends[-1]
        name = group or next(name for name, end in zip(self._names, self._ends, strict=True) if draw < end)
        seeds = self.groups[name]
        return name, seeds[int.from_bytes(digest[8:], "little") % len(seeds)]
