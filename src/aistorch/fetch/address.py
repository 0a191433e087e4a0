"""Where a node listens."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from aistorch.errors import InvalidArgumentError


class Address(NamedTuple):
    """Host, port and whether TLS is spoken there."""

    host: str
    port: int
    tls: bool = False

    @classmethod
    def of_url(cls, url: str) -> Address:
        """The address in an `http://` or `https://` URL.

        Raises:
            InvalidArgumentError: The URL is of another kind.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidArgumentError(f"{url!r} is no endpoint; write it as http://host:port")
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls)

    @property
    def host_header(self) -> str:
        """What the `Host` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host_header}"
