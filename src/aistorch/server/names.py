"""Names of buckets and objects: what they may be, and the spellings that AIStore uses for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from aistorch.server.http_errors import BadRequest, InvalidName

MAX_OBJECT_NAME = 4096
"""Bytes of UTF-8 an object name may have."""

MAX_BUCKET_NAME = 64

_PROVIDERS = {"": "ais", "ais": "ais", "aws": "aws", "s3": "aws", "gcp": "gcp", "gs": "gcp"}
_PROVIDERS |= {"azure": "azure", "az": "azure", "oci": "oci", "oc": "oci"}
_SCHEMES = {"ais": "ais", "aws": "s3", "gcp": "gs", "azure": "az", "oci": "oc"}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
_BUCKET_URI = re.compile(r"(?P<provider>[a-z0-9]+)://((?P<namespace>[@#][^/]*)/)?(?P<name>[^/]+)/?")
_SLASHES = re.compile("/{2,}")


@dataclass(frozen=True, slots=True)
class BucketKey:
    """What tells one bucket from all others.

    Attributes:
        provider: `ais`, `aws`, `gcp`, `azure` or `oci`.
        name: The bucket's name.
        uuid: The remote cluster; empty for this one.
        namespace: The namespace; empty for the global one.
    """

    provider: str
    name: str
    uuid: str = ""
    namespace: str = ""

    @property
    def ns_uname(self) -> str:
        """The namespace as `@uuid#name`; the global one is `@#`."""
        return f"@{self.uuid}#{self.namespace}"

    def uname(self, object_name: str = "") -> str:
        """The name that placement (HRW) and `bck_to` use: `ais/@#/bucket/object`."""
        return f"{self.provider}/{self.ns_uname}/{self.name}/{object_name}"

    def cname(self, object_name: str = "") -> str:
        """The name for people, as in AIStore's messages: `s3://bucket/object`, `ais://#ns/bucket`."""
        uuid = f"@{self.uuid}" if self.uuid else ""
        namespace = f"#{self.namespace}" if self.namespace else ""
        between = f"{uuid}{namespace}/" if uuid or namespace else ""
        text = f"{_SCHEMES[self.provider]}://{between}{self.name}"
        return f"{text}/{object_name}" if object_name else text

    def to_json(self) -> dict[str, Any]:
        """The bucket as AIStore writes it in JSON."""
        namespace = {"uuid": self.uuid, "name": self.namespace}
        return {"name": self.name, "provider": self.provider, "namespace": namespace}

    @classmethod
    def make(cls, name: str, provider: str = "", namespace: str = "") -> BucketKey:
        """Checks each part; `provider` and `namespace` as in a query.

        Raises:
            BadRequest: If a part is not valid.
        """
        uuid, ns_name = parse_namespace(namespace)
        return cls(parse_provider(provider), check_bucket_name(name), uuid, ns_name)

    @classmethod
    def from_json(cls, value: Any) -> BucketKey:
        """The bucket that `to_json` or the SDK wrote.

        Raises:
            BadRequest: If it is not a bucket.
        """
        if not isinstance(value, dict):
            raise BadRequest(f"invalid bucket {value!r}: an object with 'name' and 'provider' was expected")
        namespace = value.get("namespace") or {}
        if not isinstance(namespace, dict):
            raise BadRequest(f"invalid namespace {namespace!r}")
        spelled = f"@{namespace.get('uuid') or ''}#{namespace.get('name') or ''}"
        return cls.make(str(value.get("name") or ""), str(value.get("provider") or ""), spelled)

    @classmethod
    def from_uname(cls, uname: str) -> tuple[BucketKey, str]:
        """The bucket and object name (may be empty) of `provider/@uuid#ns/bucket/[object]`.

        Raises:
            BadRequest: If it is not such a name.
        """
        parts = uname.split("/", 3)
        if len(parts) < 3:
            raise BadRequest(f"invalid uname {uname!r}: 'provider/@uuid#namespace/bucket/object' was expected")
        key = cls.make(parts[2], parts[0], parts[1])
        return key, parts[3] if len(parts) > 3 else ""

    @classmethod
    def from_uri(cls, uri: str) -> BucketKey:
        """The bucket of `provider://[@uuid#ns/]bucket`.

        Raises:
            BadRequest: If it is not such a URI.
        """
        match = _BUCKET_URI.fullmatch(uri)
        if match is None:
            raise BadRequest(f"invalid bucket {uri!r}: 'provider://name' was expected, for example 'aws://images'")
        return cls.make(match["name"], match["provider"], match["namespace"] or "")


def parse_provider(text: str) -> str:
    """The canonical provider of any spelling that AIStore takes.

    Raises:
        BadRequest: For all others.
    """
    try:
        return _PROVIDERS[text]
    except KeyError:
        raise BadRequest(f"invalid backend provider {text!r}", "ErrInvalidBackendProvider") from None


def parse_namespace(text: str) -> tuple[str, str]:
    """`@uuid#name` as (uuid, name); a bare word is the alias of a remote cluster, as in AIStore.

    Raises:
        BadRequest: If either part is not valid.
    """
    uuid, _, name = text.removeprefix("@").partition("#")
    for part in (uuid, name):
        if part and not _PLAIN_NAME.fullmatch(part):
            raise InvalidName("namespace", text, "use letters, digits, '-', '_' and '.'")
    return uuid, name


def check_bucket_name(name: str) -> str:
    """The name itself.

    Raises:
        InvalidName: If it is empty, too long, or has characters a bucket cannot have.
    """
    if len(name) > MAX_BUCKET_NAME:
        raise InvalidName("bucket name", name, f"{len(name)} characters, at most {MAX_BUCKET_NAME} are allowed")
    if not _PLAIN_NAME.fullmatch(name):
        raise InvalidName("bucket name", name, "use letters, digits, '-', '_' and single '.', not at the start")
    return name


def check_object_name(name: str) -> str:
    """The name as it is stored: repeated slashes become one, as in AIStore.

    Raises:
        InvalidName: If it is empty, absolute, too long, or could be taken for a path that leads elsewhere.
    """
    if "//" in name:
        name = ("/" if name[0] == "/" else "") + _SLASHES.sub("/", name).lstrip("/")
    if not name or name[0] == "/" or name[-1] == "/" or name.startswith("~/"):
        raise InvalidName("object name", name, "it may not be empty, start with '/' or '~/', or end with '/'")
    if "." in name and not {".", ".."}.isdisjoint(name.split("/")):
        raise InvalidName("object name", name, "'.' and '..' are not allowed as a part of it")
    if "\0" in name:
        raise InvalidName("object name", name, "it may not hold a NUL")
    if _encoded_size(name) > MAX_OBJECT_NAME:
        raise InvalidName("object name", name, f"more than {MAX_OBJECT_NAME} bytes")
    return name


def _encoded_size(name: str) -> int:
    if name.isascii():
        return len(name)
    try:
        return len(name.encode())
    except UnicodeEncodeError:
        raise InvalidName("object name", name, "it is not Unicode") from None


def decode_path(raw: str) -> str:
    """A percent-encoded path as text.

    Raises:
        BadRequest: If it is not UTF-8.
    """
    if "%" not in raw and raw.isascii():
        return raw
    try:
        return unquote_to_bytes(raw.encode(errors="surrogateescape")).decode()
    except UnicodeDecodeError:
        raise BadRequest(f"invalid URL path {raw!r}: it is not percent-encoded UTF-8") from None
