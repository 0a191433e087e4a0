"""What a GetBatch request asks for, checked: AIStore refuses the whole of it where one entry makes no sense."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from aistorch.server.archive import check_member_name
from aistorch.server.archive_formats import ArchiveFormat, format_of_mime
from aistorch.server.bucket import Bucket
from aistorch.server.http_errors import BadRequest, RangeNotSatisfiable
from aistorch.server.names import BucketKey, check_object_name
from aistorch.server.request import Request

MISSING = "__404__/"
"""What the name of a missing entry's empty placeholder starts with."""

TO_THE_END = -1


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One object, archived file, or range of either.

    Attributes:
        bucket: Where it is.
        name: The object.
        archpath: A member of it; empty for the object itself.
        opaque: Base64 text that is handed back as it came; empty for none.
        start: Offset of the first byte.
        length: Bytes from there; `TO_THE_END`, or 0 together with `start` 0 for all of it.
    """

    bucket: Bucket
    name: str
    archpath: str = ""
    opaque: str = ""
    start: int = 0
    length: int = 0

    @property
    def ranged(self) -> bool:
        """Whether only a part is wanted."""
        return bool(self.start or self.length)

    def section(self, size: int) -> tuple[int, int]:
        """Offset and length of what is wanted, of `size` bytes.

        Raises:
            RangeNotSatisfiable: The range reaches beyond them.
        """
        if not self.ranged:
            return 0, size
        length = size - self.start if self.length == TO_THE_END else self.length
        if self.start >= size or self.start + length > size:
            shown = f"{self.bucket.key.cname(self.name)}: start={self.start}, length={self.length}"
            raise RangeNotSatisfiable(f"size={size}: not satisfiable range {shown}")
        return self.start, length

    def output_name(self, with_bucket: bool) -> str:
        """The name in the resulting archive."""
        parts = [self.bucket.key.name] if with_bucket else []
        parts.append(self.name)
        if self.archpath:
            parts.append(self.archpath.removeprefix("/"))
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Batch:
    """A whole request.

    Attributes:
        entries: In the order in which they are answered.
        form: The resulting archive's format.
        lenient: Placeholders for what is missing, instead of an error.
        with_bucket: The bucket's name is part of the names in the archive.
        streamed: The archive alone, instead of a multipart with metadata in front.
    """

    entries: list[BatchEntry]
    form: ArchiveFormat
    lenient: bool
    with_bucket: bool
    streamed: bool


async def parse_batch(req: Request) -> Batch:
    """Takes the body of a request apart.

    Raises:
        BadRequest: It is empty, or an entry is not valid.
        BucketMissing: A bucket does not exist.
    """
    body = await req.json()
    if not isinstance(body, dict) or not isinstance(body.get("in"), list):
        raise BadRequest("moss: the body must be a JSON object with a list 'in'")
    if not body["in"]:
        raise BadRequest("moss: empty input")
    default = _default_bucket(req)
    return Batch(
        entries=[_parse_entry(req, item, default) for item in body["in"]],
        form=format_of_mime(str(body["mime"])) if body.get("mime") else ArchiveFormat.TAR,
        lenient=bool(body.get("coer")),
        with_bucket=not body.get("onob"),
        streamed=bool(body.get("strm")),
    )


def _default_bucket(req: Request) -> Bucket | None:
    if not req.parts or req.parts[0] != "moss":
        raise BadRequest(f"invalid request URI {req.http.path!r}: '/v1/ml/moss[/<bucket>]' was expected")
    if len(req.parts) == 1:
        return None
    query = req.query
    return req.app.store.bucket(BucketKey.make(req.parts[1], query.get("provider", ""), query.get("namespace", "")))


def _parse_entry(req: Request, item: Any, default: Bucket | None) -> BatchEntry:
    if not isinstance(item, dict):
        raise BadRequest(f"moss: an entry is not an object: {item!r}")
    bucket, name = _parse_place(req, item, default)
    archpath, opaque = (str(item.get(field) or "") for field in ("archpath", "opaque"))
    if archpath:
        check_member_name(archpath)
    _check_base64(opaque)
    start, length = (_parse_int(item, field) for field in ("start", "length"))
    if start < 0 or length < TO_THE_END or (start and not length):
        raise BadRequest(f"not satisfiable range start={start}, length={length} of {name!r}")
    return BatchEntry(bucket, check_object_name(name), archpath, opaque, start, length)


def _parse_place(req: Request, item: dict[str, Any], default: Bucket | None) -> tuple[Bucket, str]:
    if uname := item.get("uname"):
        key, name = BucketKey.from_uname(str(uname))
        return req.app.store.bucket(key), name
    name = str(item.get("objname") or "")
    if own := item.get("bucket"):
        return req.app.store.bucket(BucketKey.make(str(own), str(item.get("provider") or ""))), name
    if default is None:
        raise BadRequest(f"missing bucket specification for object {name!r}")
    return default, name


def _parse_int(item: dict[str, Any], field: str) -> int:
    value = item.get(field) or 0
    if not isinstance(value, int):
        raise BadRequest(f"moss: {field} is {value!r}, not a number of bytes")
    return value


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BadRequest(f"moss: 'opaque' is not base64: {error}") from None
