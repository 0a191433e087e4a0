"""The cluster as the data plane sees it: where its proxy and its targets listen, and whether targets may be asked."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

from aistore.sdk.request_client import RequestClient
from aistore.sdk.types import ETLInfo, Smap, Snode
from pydantic import TypeAdapter, ValidationError

from aistorch.errors import AIStorchError
from aistorch.fetch.address import Address
from aistorch.fetch.hrw import Placement
from aistorch.fetch.settings import ClusterSettings

# A map is asked for again at most this often, however many reads fail meanwhile.
REFRESH_INTERVAL = 1.0
_SMAP, _ETLS = TypeAdapter(Smap), TypeAdapter(list[ETLInfo])
# Targets know nothing of an ETL that is starting, and learn a moment later than the proxy that it runs.
_ETL_STAGES = ("Initializing", "Running")

_URL = re.compile(rb'"direct_url"\s*:\s*"([\x21-\x7e]*?)"')

T = TypeVar("T")


class Cluster:
    """Addresses of a cluster's nodes, kept fresh while reads fail; one per process and endpoint, shared by threads.

    Attributes:
        settings: How it is reached.
        direct: Whether targets answer without the proxy's redirect; False once one has refused.
        batch_is_faster: Whether GetBatch was measured to be faster than plain GETs; None before that.
        batch_client: The SDK's client for GetBatch; None before the first one.
        version: Of the map, 0 before there is one.
        target_count: Targets in the map.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self.direct = True
        self.batch_is_faster: bool | None = None
        self.batch_client: RequestClient | None = None
        self.version = 0
        self.target_count = 0
        self._targets: dict[str, Address] = {}
        self._hosts: set[str] = set()
        self._placement = Placement({})
        self._asked = float("-inf")
        self._expected_etls: set[str] = set()
        self._etls_asked = float("-inf")
        self._lock = threading.Lock()

    def address_of(self, target: str | None) -> Address | None:
        """Where a target listens; None where it is unknown or gone, or where targets may not be asked."""
        if target is None or not self.direct:
            return None
        if not self.version:
            self.refresh()
        return self._targets.get(target)

    def knows(self, host: str, newer_than: float) -> bool:
        """Whether a node listens at a host, by a map of after `newer_than`; any may where no map is to be had."""
        if host == self.settings.endpoint.host or host in self._hosts:
            return True
        self.refresh(newer_than)
        return not self.version or host in self._hosts

    @property
    def placement(self) -> Placement:
        """Where objects belong by the present map."""
        if not self.version:
            self.refresh()
        return self._placement

    def refresh(self, newer_than: float = float("-inf")) -> bool:
        """Asks for the map, unless that was just done; returns whether it is another one than before.

        A map that cannot be had is no error here: reads go through the proxy, and say what is wrong if that fails, too.

        Args:
            newer_than: Monotonic time; a map that was asked for before it does not do, however fresh it is.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._asked < REFRESH_INTERVAL and self._asked >= newer_than:
                return False
            self._asked = now
            text = self._get("daemon?what=smap")
            smap = _parsed(_SMAP, text)
            if smap is None or int(smap.version or 0) == self.version:
                return False
            self._adopt(smap)
            self._hosts = set(_hosts(text))
            return True

    def expects_etl(self, name: str) -> bool:
        """Whether an ETL starts or runs, as the cluster tells or told a moment ago.

        Not if the cluster does not tell: with AuthN it does to administrators only.
        """
        with self._lock:
            now = time.monotonic()
            # That it starts is believed for a while, as many reads ask; that it does not ends them all.
            if now - self._etls_asked >= REFRESH_INTERVAL or name not in self._expected_etls:
                self._etls_asked = now
                listed = _parsed(_ETLS, self._get("etl")) or ()
                self._expected_etls = {each.id for each in listed if each.stage in _ETL_STAGES}
            return name in self._expected_etls

    def _adopt(self, smap: Smap) -> None:
        usable = {tid: node for tid, node in smap.tmap.items() if not node.in_maint_or_decomm()}
        addresses = {tid: _address(node) for tid, node in usable.items()}
        self._targets = {tid: address for tid, address in addresses.items() if address}
        self._placement = Placement({tid: node.id_digest for tid, node in usable.items()})
        self.target_count = len(usable)
        self.version = int(smap.version or 0)

    def _get(self, path: str) -> bytes:
        """What the proxy answers; empty if it does not, or with an error."""
        # Not through the SDK's client: with a node gone it retries for 44 to 90 s, and samples wait for this answer.
        settings, endpoint = self.settings, self.settings.endpoint
        headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        timeout = settings.connect_timeout or REFRESH_INTERVAL
        connection: http.client.HTTPConnection
        if endpoint.tls:
            connection = http.client.HTTPSConnection(
                endpoint.host, endpoint.port, timeout=timeout, context=settings.ssl_context
            )
        else:
            connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout)
        try:
            connection.request("GET", f"{settings.path}/{path}", headers=headers)
            reply = connection.getresponse()
            return reply.read() if reply.status == 200 else b""
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            connection.close()


def _parsed(form: TypeAdapter[T], text: bytes) -> T | None:
    try:
        return form.validate_json(text)
    except ValidationError:
        return None


def _hosts(smap: bytes) -> Iterator[str]:
    """The hosts of all addresses in a map, of which a redirect may name any; the SDK's form leaves some out."""
    for url in _URL.findall(smap):
        with suppress(AIStorchError):
            yield Address.of_url(url.decode()).host


def _address(node: Snode) -> Address | None:
    """Where a target listens; None where the map does not tell: the proxy is asked for its objects."""
    try:
        return Address.of_url(node.public_net.direct_url if node.public_net else "")
    except AIStorchError:
        return None
