"""What the data plane takes over from the user's own `Client`: endpoint, token, TLS, timeouts."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from aistore.sdk.request_client import RequestClient
from aistore.sdk.session_manager import resolve_ssl_config

from aistorch.fetch.address import Address
from aistorch.index.token import usable_token


@dataclass(frozen=True)
class ClusterSettings:
    """How a cluster is reached: equal settings share connections.

    Attributes:
        endpoint: The proxy's address.
        path: What stands before `/objects/...` in the proxy's URLs, `/v1` normally.
        token: The AuthN token, kept out of `repr`.
        verify: False to skip the verification of certificates, True for the system's CAs, or a path to CAs.
        certificate: Client certificate and key for mutual TLS.
        connect_timeout: Seconds.
        read_timeout: Seconds.
    """

    endpoint: Address
    path: str = "/v1"
    token: str | None = field(default=None, repr=False)
    verify: bool | str = True
    certificate: tuple[str, str | None] | None = field(default=None, repr=False)
    connect_timeout: float | None = 3.0
    read_timeout: float | None = 20.0

    @classmethod
    def of_client(cls, client: RequestClient) -> ClusterSettings:
        """Those of an SDK client; rules for TLS and their environment variables are the SDK's."""
        session = client.session_manager
        verify, certificate = resolve_ssl_config(session.skip_verify, session.ca_cert, session.client_cert)
        timeout = client.timeout
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        return cls(
            endpoint=Address.of_url(client.base_url),
            path=urlsplit(client.base_url).path.rstrip("/"),
            token=usable_token(client) or None,
            verify=verify,
            certificate=(certificate, None) if isinstance(certificate, str) else certificate,
            connect_timeout=connect,
            read_timeout=read,
        )

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """Made once: loading the system's CAs takes tens of milliseconds."""
        given = self.verify if isinstance(self.verify, str) else _authorities_of_environment()
        folder = given is not None and os.path.isdir(given)
        context = ssl.create_default_context(cafile=None if folder else given, capath=given if folder else None)
        if self.verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(*self.certificate)
        return context


def _authorities_of_environment() -> str | None:
    """The CAs that `requests`, and so the SDK's client, is told to trust by its environment variables."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None
