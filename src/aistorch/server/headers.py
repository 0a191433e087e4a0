"""An object's metadata as response headers."""

from __future__ import annotations

import datetime
from email.utils import format_datetime

from multidict import CIMultiDict, istr

from aistorch.server.bucket import Bucket
from aistorch.server.http_errors import BadRequest
from aistorch.server.object_file import ObjectMeta

CHECKSUM_TYPE = "xxhash2"
"""AIStore's name for xxh64."""

CHECKSUM_TYPES = ("crc32c", "md5", "sha256", "sha512", "xxhash", CHECKSUM_TYPE, "none")
"""All that AIStore knows."""

# Entered faster than strings; every GET does it.
_ATIME, _CHECKSUM_TYPE, _CHECKSUM_VALUE = istr("Ais-Atime"), istr("Ais-Checksum-Type"), istr("Ais-Checksum-Value")
_VERSION = istr("Ais-Version")


def object_headers(bucket: Bucket, meta: ObjectMeta) -> CIMultiDict[str]:
    """What a GET and a PUT answer with."""
    headers: CIMultiDict[str] = CIMultiDict()
    headers[_ATIME] = str(meta.atime)
    headers[_CHECKSUM_TYPE] = CHECKSUM_TYPE
    headers[_CHECKSUM_VALUE] = meta.checksum
    if bucket.versioned:
        headers[_VERSION] = str(meta.version)
    for key, value in meta.custom.items():
        headers.add("Ais-Custom-Md", f"{key}={value}")
    return headers


def head_v1(bucket: Bucket, meta: ObjectMeta, location: str) -> CIMultiDict[str]:
    """What a HEAD without `props` answers with: everything, as SDKs before 2.0 expect."""
    headers = object_headers(bucket, meta)
    headers["Content-Length"] = str(meta.size)
    headers["Ais-Name"] = meta.name
    headers["Ais-Bucket-Name"] = bucket.key.name
    headers["Ais-Bucket-Provider"] = bucket.key.provider
    headers["Ais-Present"] = _present(bucket, meta)
    headers["Ais-Location"] = location
    headers["Ais-Mirror-Copies"] = "1"
    headers["Ais-Mirror-Paths"] = f"[{_mountpath(location)}]"
    return headers


def head_v2(bucket: Bucket, meta: ObjectMeta, location: str, props: str) -> CIMultiDict[str]:
    """What a HEAD with `props` (a comma-separated list) answers with.

    Raises:
        BadRequest: If one of them is unknown.
    """
    everything = object_headers(bucket, meta)
    headers: CIMultiDict[str] = CIMultiDict()
    headers["Content-Length"] = str(meta.size)
    headers["Ais-Present"] = _present(bucket, meta)
    for prop in filter(None, map(str.strip, props.split(","))):
        _add_prop(headers, prop, everything, meta, location)
    return headers


def custom_text(custom: dict[str, str]) -> str:
    """Custom properties as a listing shows them."""
    return "[" + " ".join(f"{key}:{value}" for key, value in sorted(custom.items())) + "]" if custom else ""


def _add_prop(
    headers: CIMultiDict[str], prop: str, everything: CIMultiDict[str], meta: ObjectMeta, location: str
) -> None:
    copied = {"checksum": "Ais-Checksum-", "atime": "Ais-Atime", "version": "Ais-Version", "custom": "Ais-Custom-Md"}
    if prop in copied:
        headers.extend((key, value) for key, value in everything.items() if key.startswith(copied[prop]))
    elif prop == "location":
        headers["Ais-Location"] = location
    elif prop == "copies":
        headers["Ais-Mirror-Copies"] = "1"
        headers["Ais-Mirror-Paths"] = _mountpath(location)
    elif prop == "last-modified":
        modified = datetime.datetime.fromtimestamp(meta.atime / 1e9, datetime.timezone.utc)
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    elif prop == "etag":
        headers["Etag"] = f'"{meta.checksum}"'
    elif prop not in ("name", "size", "ec", "chunked"):
        raise BadRequest(f"invalid property {prop!r} in props list")


def _present(bucket: Bucket, meta: ObjectMeta) -> str:
    return "false" if meta.name in bucket.uncached else "true"


def _mountpath(location: str) -> str:
    return location.partition("mp[")[2].partition(",")[0]
