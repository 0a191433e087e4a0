"""Source URLs: `provider://[@uuid#namespace/]bucket[/prefix]`.

The prefix is taken as it stands: `%`, `?` and `#` are letters like any other in the name of an object, so
nothing is percent-decoded, no query is cut off and no `//` is collapsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aistore.sdk import Bucket, Client
from aistore.sdk.namespace import Namespace

from aistorch.errors import ArgumentTypeError, InvalidURLError

PROVIDERS = {
    "ais": "ais",
    "aws": "aws",
    "s3": "aws",
    "azure": "azure",
    "az": "azure",
    "gcp": "gcp",
    "gs": "gcp",
    "oci": "oci",
    "oc": "oci",
}
"""How a URL may begin, and the name of that provider that the SDK and the server know."""

EXAMPLE = "'ais://bucket', 'ais://bucket/prefix' or 'ais://@uuid#namespace/bucket/prefix'"

_NAMESPACE = re.compile(r"(?:@(?P<uuid>[A-Za-z0-9_-]*))?(?:#(?P<name>[A-Za-z0-9_-]*))?")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class SourceURL:
    """A bucket and the prefix of the names wanted from it.

    Attributes:
        provider: "ais", "aws", "azure", "gcp" or "oci".
        bucket_name: Name of the bucket.
        namespace_uuid: Id or alias of a remote AIStore cluster, empty for this one.
        namespace_name: Name of the namespace, empty for the global one.
        prefix: How the names of all wanted objects begin; empty for all.
    """

    provider: str
    bucket_name: str
    namespace_uuid: str = ""
    namespace_name: str = ""
    prefix: str = ""

    def bucket(self, client: Client) -> Bucket:
        """The bucket as the SDK knows it; no request is made."""
        scope = {}
        if self.namespace_uuid or self.namespace_name:
            scope["namespace"] = Namespace(uuid=self.namespace_uuid, name=self.namespace_name)
        bucket: Bucket = client.bucket(self.bucket_name, self.provider, **scope)
        return bucket

    def __str__(self) -> str:
        uuid = f"@{self.namespace_uuid}" if self.namespace_uuid else ""
        name = f"#{self.namespace_name}" if self.namespace_name else ""
        namespace = f"{uuid}{name}/" if uuid or name else ""
        return f"{self.provider}://{namespace}{self.bucket_name}/{self.prefix}"


def parse_url(url: str) -> SourceURL:
    """Take a source URL apart.

    Raises:
        ArgumentTypeError: `url` is no string.
        InvalidURLError: It cannot be understood; the message says what to write instead.
    """
    if not isinstance(url, str):
        raise ArgumentTypeError(f"a source URL must be a str such as {EXAMPLE}, not {type(url).__name__}")
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise _without_provider(url)
    if scheme not in PROVIDERS:
        raise InvalidURLError(
            f"source URL {url!r} has the unknown provider {scheme!r}: use one of {', '.join(PROVIDERS)}"
        )
    uuid, name, rest = _split_namespace(url, rest)
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise InvalidURLError(f"source URL {url!r} names no bucket: write {EXAMPLE}")
    if not _BUCKET.fullmatch(bucket):
        raise InvalidURLError(
            f"source URL {url!r} has the bucket name {bucket!r}: write 1 to 64 letters, digits, '.', '_' "
            "or '-', and a '/' before the prefix"
        )
    return SourceURL(PROVIDERS[scheme], bucket, uuid, name, prefix)


def _without_provider(url: str) -> InvalidURLError:
    scheme, colon, rest = url.partition(":")
    provider, path = (scheme, rest) if colon and scheme in PROVIDERS else ("ais", url)
    meant = f"{provider}://{path.lstrip('/')}"
    return InvalidURLError(f"source URL {url!r} does not begin with 'provider://': did you mean {meant!r}?")


def _split_namespace(url: str, rest: str) -> tuple[str, str, str]:
    """The uuid and the name of the namespace, and what follows it."""
    if not rest.startswith(("@", "#")):
        return "", "", rest
    namespace, _, rest = rest.partition("/")
    match = _NAMESPACE.fullmatch(namespace)
    if match is None:
        raise InvalidURLError(
            f"source URL {url!r} has the namespace {namespace!r}: write '@uuid#name', '@uuid' or '#name', "
            "then '/' and the bucket"
        )
    return match["uuid"] or "", match["name"] or "", rest
