"""A PUT of many megabytes: its body is sent when the server asks for it, and so to the node that stores it.

AIStore's proxy redirects a PUT without reading its body. A client that sends it all the same fills the connection's
buffers and then waits half a second, until the proxy has closed the connection; `Expect: 100-continue` (RFC 9110,
10.1.1) spares that.
"""

from __future__ import annotations

import http.client
import time
from contextlib import suppress
from typing import IO, Any, cast
from urllib.parse import urljoin, urlsplit

from aistorch.config import RetryPolicy
from aistorch.fetch.address import Address
from aistorch.fetch.settings import ClusterSettings

ASKING_SECONDS = 1.0
"""How long a server may take to ask for the body; one that knows nothing of `Expect` never does."""

_REDIRECTS = (301, 307, 308)
_BUSY = (408, 429, 500, 502, 503, 504)


class PutError(Exception):
    """A PUT failed.

    Attributes:
        status: The HTTP status, 0 where there was none.
        sent: Whether some of the body has been sent, so that the server may have taken it.
    """

    def __init__(self, cause: str, status: int, sent: bool) -> None:
        super().__init__(cause)
        self.status, self.sent = status, sent

    @property
    def is_passing(self) -> bool:
        """Whether it may well succeed when it is tried again."""
        return self.status == 0 or self.status in _BUSY


def put(settings: ClusterSettings, target: str, body: bytes, retry: RetryPolicy, repeatable: bool) -> None:
    """Stores a body.

    Args:
        settings: How the cluster is reached.
        target: Path and query, percent-encoded.
        body: What is stored.
        retry: When it is tried again.
        repeatable: Whether that is allowed after the body was sent.

    Raises:
        PutError: The server refused, or could not be reached.
    """
    attempt = 1
    while True:
        try:
            _put_once(settings, target, body)
            return
        except PutError as error:
            again = error.is_passing and (repeatable or not error.sent)
            if not again or attempt >= retry.attempts:
                raise
        time.sleep(retry.delay(attempt))
        attempt += 1


def _put_once(settings: ClusterSettings, target: str, body: bytes) -> None:
    leg = _Leg(settings)
    url = f"{settings.endpoint}{target}"
    status, location = leg.send(url, body)
    if status in _REDIRECTS and location:
        status, _ = leg.send(urljoin(url, location), body)
    if not 200 <= status < 300:
        raise PutError(leg.refusal or f"status {status}", status, leg.sent)


class _Leg:
    """The requests of one attempt: to the proxy, and to the target that it names."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self.sent = False
        self.refusal = ""

    def send(self, url: str, body: bytes) -> tuple[int, str]:
        """Returns status and `Location`."""
        address = Address.of_url(url)
        connection = self._connection(address)
        try:
            connection.connect()
            sock = connection.sock
            parts = urlsplit(url)
            connection.putrequest("PUT", f"{parts.path}?{parts.query}", skip_accept_encoding=True)
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Expect", "100-continue")
            # Elsewhere, the redirect is the permission.
            if self._settings.token and address == self._settings.endpoint:
                connection.putheader("Authorization", f"Bearer {self._settings.token}")
            connection.endheaders()
            replies, wanted = self._is_wanted(sock)
            if wanted:
                self.sent = True
                sock.settimeout(self._settings.read_timeout)
                # A server that refuses while the body is on its way has said why.
                with suppress(BrokenPipeError, ConnectionResetError):
                    sock.sendall(body)
            with http.client.HTTPResponse(cast(Any, _Opened(replies)), method="PUT") as response:
                response.begin()
                self.refusal = response.read().decode(errors="replace").strip()
                return response.status, response.getheader("Location", "")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PutError(f"{type(error).__name__}: {error}", 0, self.sent) from error
        finally:
            connection.close()

    def _connection(self, address: Address) -> http.client.HTTPConnection:
        timeout = self._settings.connect_timeout
        if address.tls:
            context = self._settings.ssl_context
            return http.client.HTTPSConnection(address.host, address.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(address.host, address.port, timeout=timeout)

    def _is_wanted(self, sock: Any) -> tuple[IO[bytes], bool]:
        """The server's replies, from the final one on, and whether it waits for the body."""
        replies = sock.makefile("rb")
        sock.settimeout(ASKING_SECONDS)
        try:
            asked = _status_of(replies.peek(1)) == b"100"
        except TimeoutError:
            replies.close()
            return sock.makefile("rb"), True
        while asked and replies.readline().strip():
            pass  # the head of "100 Continue"
        sock.settimeout(self._settings.read_timeout)
        return replies, asked


def _status_of(head: bytes) -> bytes:
    return head[len("HTTP/1.1 ") : len("HTTP/1.1 100")]


class _Opened:
    """What `HTTPResponse` takes for a socket, which it only opens for reading."""

    def __init__(self, replies: IO[bytes]) -> None:
        self._replies = replies

    def makefile(self, _mode: str) -> IO[bytes]:
        return self._replies
