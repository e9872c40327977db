"""Tiny pictures and movies that browsers show: PNG by Pillow, WebM from frames that Pillow compresses as VP8."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from PIL import Image

Color = tuple[int, int, int]
SIZE: Final = (64, 48)
FRAME_MS: Final = 200


def png(color: Color) -> bytes:
    """A picture of one colour."""
    written = BytesIO()
    Image.new("RGB", SIZE, color).save(written, "PNG")
    return written.getvalue()


def webm(colors: Sequence[Color]) -> bytes:
    """A movie whose frames, FRAME_MS each, are of these colours (WebM is Matroska, RFC 9559, with VP8 inside)."""
    width, height = SIZE
    video = _element(0xE0, _number(0xB0, width), _number(0xBA, height))
    track = _element(
        0xAE, _number(0xD7, 1), _number(0x73C5, 1), _number(0x83, 1), _element(0x86, b"V_VP8"), video
    )  # fmt: skip
    duration = _element(0x4489, struct.pack(">d", float(FRAME_MS * len(colors))))
    made_by = _element(0x4D80, b"stat7 tests"), _element(0x5741, b"stat7 tests")
    info = _element(0x1549A966, _number(0x2AD7B1, 1_000_000), *made_by, duration)
    blocks = [
        # Of track 1, so many ms after the cluster's time, each a frame that needs no other.
        _element(0xA3, b"\x81" + struct.pack(">h", at * FRAME_MS) + b"\x80" + _vp8(color))
        for at, color in enumerate(colors)
    ]
    segment = _element(0x18538067, info, _element(0x1654AE6B, track), _element(0x1F43B675, _number(0xE7, 0), *blocks))
    return _element(0x1A45DFA3, _element(0x4282, b"webm"), _number(0x4287, 2), _number(0x4285, 2)) + segment


def _vp8(color: Color) -> bytes:
    """One frame: what a lossy WebP holds after its RIFF header."""
    written = BytesIO()
    Image.new("RGB", SIZE, color).save(written, "WEBP", quality=80)
    data = written.getvalue()
    at = data.index(b"VP8 ")
    (size,) = struct.unpack_from("<I", data, at + 4)
    return data[at + 8 : at + 8 + size]


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _element(name: int, *parts: bytes) -> bytes:
    """An element of EBML: its name, its size in eight bytes, and what is in it."""
    body = b"".join(parts)
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (len(body) | 1 << 56).to_bytes(8, "big") + body
