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
        try:
            parts = urlsplit(url)
            scheme, port = parts.scheme, parts.port
            host = (parts.hostname or "").encode("ascii" if ":" in (parts.hostname or "") else "idna").decode()
        except ValueError:  # a port that is no number, half an IPv6 address, a name that no host can have
            scheme, host, port = "", "", None
        if scheme not in ("http", "https") or not host or port == 0:
            raise InvalidArgumentError(f"{url!r} is no endpoint; write it as http://host:port")
        tls = scheme == "https"
        return cls(host, port or (443 if tls else 80), tls)

    @property
    def host_header(self) -> str:
        """What the `Host` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host_header}"
