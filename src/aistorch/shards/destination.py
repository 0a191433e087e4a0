"""Where shards are written: a bucket, how their names begin, and what is there already."""

from __future__ import annotations

import string
from dataclasses import dataclass

import requests
from aistore.sdk import Bucket, Client
from aistore.sdk.errors import AISError

from aistorch.errors import ArgumentTypeError, BucketNotFoundError, InvalidArgumentError, ObjectExistsError
from aistorch.index.endpoint import check_reachable, endpoint_of, translate
from aistorch.shards.member_index import INDEX_SUFFIX
from aistorch.sources.resolve import describe, endpoint
from aistorch.sources.url import parse_url

DEFAULT_PATTERN = "shard-{:06d}.tar"


@dataclass(frozen=True)
class Destination:
    """A place for shards.

    Attributes:
        bucket: It exists, or is asked for in vain.
        folder: What the names begin with: empty, or with a slash at the end.
        pattern: Makes the rest of a name of a shard's number.
    """

    bucket: Bucket
    folder: str
    pattern: str = DEFAULT_PATTERN

    @classmethod
    def of(
        cls, destination: Bucket | str, prefix: str, pattern: str, client_url: str | None, owner: str
    ) -> Destination:
        """The place that a user's arguments mean.

        Raises:
            ArgumentTypeError: `destination` is neither a bucket nor a URL.
            InvalidArgumentError: One of them cannot be used.
            NoEndpointError: There is a URL and no endpoint.
        """
        _check_pattern(pattern)
        if isinstance(destination, Bucket):
            bucket = destination
        elif isinstance(destination, str):
            url = parse_url(destination)
            if url.prefix and prefix:
                raise InvalidArgumentError(f"{owner}: {destination!r} has a prefix already, and prefix={prefix!r}")
            bucket, prefix = url.bucket(Client(endpoint(client_url, owner))), prefix or url.prefix
        else:
            raise ArgumentTypeError(
                f"{owner}: destination must be an SDK bucket or a URL such as 'ais://bucket/prefix', "
                f"not {type(destination).__name__}"
            )
        found = cls(bucket, f"{prefix}/" if prefix and not prefix.endswith("/") else prefix, pattern)
        if not {"", ".", ".."}.isdisjoint(found.name(0).split("/")):
            raise InvalidArgumentError(
                f"{owner}: {found.name(0)!r} cannot be the name of a shard: AIStore loses names with empty parts, "
                "'.' or '..' between their slashes"
            )
        return found

    def name(self, number: int) -> str:
        """The object that shard `number` is."""
        return self.folder + self.pattern.format(number)

    def check_bucket(self) -> None:
        """See that the bucket is there.

        Raises:
            ServerError: It is not, or may not be asked for.
            EndpointUnreachableError: Nothing answers.
        """
        check_reachable(self.bucket.client)
        try:
            self.bucket.head()
        except (AISError, requests.RequestException) as error:
            if getattr(error, "status_code", 0) == 404:
                raise BucketNotFoundError(
                    f"{describe(self.bucket)} does not exist at {endpoint_of(self.bucket.client)}: create it first "
                    "(client.bucket('name').create()), or check its name, provider and namespace",
                    404,
                ) from error
            raise translate(error, self.bucket) from error

    def check_absent(self, name: str) -> None:
        """See that there is no such object.

        Raises:
            ObjectExistsError: There is.
            ServerError: The server did not tell.
        """
        if self.exists(name):
            raise ObjectExistsError(
                f"{describe(self.bucket)}/{name} is there already: choose another prefix, or overwrite it "
                "(overwrite=True, --overwrite)"
            )

    def remove_index(self, name: str) -> None:
        """Removes the index of a shard that is being replaced, if there is one.

        Raises:
            ServerError: The server refused.
        """
        try:
            self.bucket.object(name + INDEX_SUFFIX).delete()
        except (AISError, requests.RequestException) as error:
            if getattr(error, "status_code", 0) != 404:
                raise translate(error, self.bucket) from error

    def exists(self, name: str) -> bool:
        """Whether there is such an object.

        Raises:
            ServerError: The server did not tell.
        """
        try:
            self.bucket.object(name).head()
        except (AISError, requests.RequestException) as error:
            if getattr(error, "status_code", 0) == 404:
                return False
            raise translate(error, self.bucket) from error
        return True

    def __str__(self) -> str:
        return f"{describe(self.bucket)}/{self.folder}"


def _check_pattern(pattern: str) -> None:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None]
        names = {pattern.format(number) for number in (0, 1)}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidArgumentError(
            f"pattern {pattern!r} cannot be used ({error}): write {DEFAULT_PATTERN!r}"
        ) from error
    if len(fields) != 1 or len(names) != 2:
        raise InvalidArgumentError(
            f"pattern {pattern!r} needs one place for the shard's number, as {DEFAULT_PATTERN!r}"
        )
    if not pattern.endswith(".tar"):
        raise InvalidArgumentError(f"pattern {pattern!r} must end in '.tar', which shards are, as {DEFAULT_PATTERN!r}")
