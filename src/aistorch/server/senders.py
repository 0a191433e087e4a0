"""Who may send requests at all: programs, not web pages.

The server listens on a machine on which somebody also browses the web. Any page can make the browser send it simple
requests (POST of plain text or of a form), and a page whose name was made to lead here (DNS rebinding) can even read
the answers. No program that talks to AIStore needs what tells such requests apart, so they are refused:

- `Origin`, which browsers send with every request to another site that could change something;
- `Sec-Fetch-Site`, unless it is `none`: somebody typed the address;
- a `Host` by which this server is not known. Browsers do not let pages choose it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from aiohttp import hdrs, web
from multidict import istr

from aistorch.server.http_errors import HTTPError

_FETCH_SITE = istr("Sec-Fetch-Site")  # found faster than a str, and this is done for each request

WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104  # compared with, not bound to
"""Hosts that stand for all addresses of the machine."""


class Senders:
    """Tells whose requests are answered.

    Args:
        host: The address the server is bound to. Where that is all of them, any address is its own; a name never
            is, since whoever owns a name decides where it leads.
        names: Other hosts by which clients know it.
    """

    def __init__(self, host: str, names: Sequence[str] = ()) -> None:
        self._any_address = host in WILDCARDS
        self._names = {_plain(name) for name in ("localhost", host, *names)}
        self._knows = lru_cache(maxsize=256)(self._find)  # the clients of a server use one or two

    def check(self, http: web.BaseRequest) -> None:
        """Refuses what a web page made a browser send.

        Raises:
            HTTPError: 403, with what to do if it was no web page.
        """
        headers = http.headers
        if hdrs.ORIGIN in headers or headers.get(_FETCH_SITE, "none") != "none":
            raise HTTPError(
                403,
                "requests from web pages are refused: this one has an 'Origin', or a 'Sec-Fetch-Site' other than "
                "'none', which only browsers send. Use a program: the SDK, aistorch, curl",
            )
        host = headers.get(hdrs.HOST)
        if host is not None and not self._knows(host):
            raise HTTPError(
                403,
                f"this server is not known as {host[:80]!r} (header 'Host'): use 127.0.0.1 or localhost, or start it "
                f"with that name, 'aistorch serve --host' or '--allow-host'",
            )

    def _find(self, header: str) -> bool:
        name = _without_port(header)
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._any_address or address.is_loopback


def _without_port(header: str) -> str:
    if header.startswith("["):
        return _plain(header.partition("]")[0])
    return _plain(header.partition(":")[0])


def _plain(name: str) -> str:
    return name.strip("[").removesuffix("]").removesuffix(".").lower()
