"""What an object is that is no shard: told by its first bytes, so that an error can name it."""

from __future__ import annotations

import re

_KINDS = {
    "a JPEG": rb"\xff\xd8\xff",
    "a PNG": rb"\x89PNG\r\n",
    "a GIF": rb"GIF8[79]a",
    "a WebP image": rb"RIFF....WEBP",
    "a WAV": rb"RIFF....WAVE",
    "a TIFF": rb"II\*\0|MM\0\*",
    "a BMP": rb"BM....\0\0\0\0",
    "an MP4 or HEIF file": rb"....ftyp",
    "a Matroska or WebM video": rb"\x1aE\xdf\xa3",
    "a FLAC": rb"fLaC",
    "an Ogg file": rb"OggS",
    "an MP3": rb"ID3",
    "a PDF": rb"%PDF-",
    "a zip": rb"PK\x03\x04|PK\x05\x06",
    "a 7z archive": rb"7z\xbc\xaf\x27\x1c",
    "a RAR archive": rb"Rar!\x1a\x07",
    "a Parquet file": rb"PAR1",
    "an Arrow file": rb"ARROW1",
    "an HDF5 file": rb"\x89HDF\r\n",
    "a NumPy array": rb"\x93NUMPY",
    "a pickle": rb"\x80[\x02-\x05](?:c|}|]|\x95|\x8a|\()",
    "an SQLite database": rb"SQLite format 3\0",
    "an executable": rb"\x7fELF|MZ",
    "an HTML page": rb"(?i)\s*<(?:!doctype html|html)",
    "XML": rb"\s*<\?xml",
    "JSON": rb"\s*[\[{]\s*[\"\[{\d]",
}
_MATCHERS = {kind: re.compile(pattern, re.DOTALL) for kind, pattern in _KINDS.items()}
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{8,}\Z")
_SHOWN = 40


def what_is(content: bytes) -> str:
    """What begins like this, with an article; "" where that is not known. A TAR is not told: it begins with a name."""
    head = bytes(content[:512])
    for kind, matcher in _MATCHERS.items():
        if matcher.match(head):
            return kind
    return f"text ({head[:_SHOWN].decode()!r} ...)" if _TEXT.match(head) else ""


def no_shard(kind: str) -> str:
    """Why such an object cannot be read as a shard, and what to do about it."""
    if kind == "a zip":
        return "this is a zip: AISShardReader reads it, under a name that ends in .zip"
    return f"this is {kind}, and no TAR: give a prefix below which there are shards only"
