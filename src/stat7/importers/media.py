"""Media types by the ending of a file's name: an own table, so that a file has the same type on every machine."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

UNKNOWN: Final = "application/octet-stream"
"""The media type of what the table doesn't know."""

_ENDINGS: Final = """
application/epub+zip epub
application/geo+json geojson
application/gzip gz tgz
application/java-archive jar
application/json json
application/ld+json jsonld
application/msword doc
application/ogg ogx
application/pdf pdf
application/pgp-signature asc sig
application/postscript ai eps ps
application/rtf rtf
application/sql sql
application/toml toml
application/vnd.apache.arrow.file arrow feather
application/vnd.apache.parquet parquet
application/vnd.ms-excel xls
application/vnd.ms-fontobject eot
application/vnd.ms-powerpoint ppt
application/vnd.oasis.opendocument.presentation odp
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.text odt
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/vnd.rar rar
application/vnd.sqlite3 sqlite sqlite3
application/wasm wasm
application/x-7z-compressed 7z
application/x-bzip2 bz2
application/x-hdf5 h5 hdf5
application/x-ipynb+json ipynb
application/x-ndjson jsonl ndjson
application/x-sh bash sh
application/x-tar tar
application/x-tex tex
application/x-xz xz
application/xhtml+xml xhtml
application/xml xml xsd xsl
application/yaml yaml yml
application/zip zip
application/zstd zst
audio/aac aac
audio/basic au snd
audio/flac flac
audio/midi mid midi
audio/mp4 m4a
audio/mpeg mp2 mp3
audio/ogg oga ogg opus
audio/wav wav
audio/x-aiff aif aiff
font/otf otf
font/ttf ttf
font/woff woff
font/woff2 woff2
image/apng apng
image/avif avif
image/bmp bmp
image/gif gif
image/heic heic
image/heif heif
image/jpeg jfif jpe jpeg jpg
image/jxl jxl
image/png png
image/svg+xml svg
image/tiff tif tiff
image/vnd.adobe.photoshop psd
image/vnd.microsoft.icon ico
image/webp webp
image/x-portable-bitmap pbm
image/x-portable-graymap pgm
image/x-portable-pixmap ppm
message/rfc822 eml
model/gltf+json gltf
model/gltf-binary glb
model/obj obj
model/stl stl
text/calendar ics
text/css css
text/csv csv
text/html htm html
text/javascript cjs js mjs
text/markdown markdown md
text/plain cfg conf ini log rst text txt
text/tab-separated-values tab tsv
text/vcard vcf
text/vtt vtt
text/x-c c h
text/x-c++ cc cpp cxx hpp
text/x-go go
text/x-java java
text/x-lua lua
text/x-perl pl
text/x-python py pyi
text/x-ruby rb
text/x-rust rs
text/x-typescript ts tsx
video/mp2t m2ts mts
video/mp4 m4v mp4
video/mpeg mpeg mpg
video/ogg ogv
video/quicktime mov qt
video/webm webm
video/x-matroska mkv
video/x-msvideo avi
"""

MEDIA_TYPES: Final = MappingProxyType(
    {ending: type for type, *endings in map(str.split, _ENDINGS.split("\n")[1:-1]) for ending in endings}
)
"""The media type (RFC 6838) for each known ending, in lower case and without its dot."""


def ending(name: str) -> str:
    """The ending of a file name in lower case, without its dot; empty if it has none (`.profile` has none)."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem.strip(".") else ""


def media_type(name: str) -> str:
    """The media type that a file of this name has; UNKNOWN if the table doesn't know its ending."""
    return MEDIA_TYPES.get(ending(name), UNKNOWN)
