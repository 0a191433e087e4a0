"""The cluster as the data plane sees it: where its proxy and its targets listen, and whether targets may be asked."""

from __future__ import annotations

import http.client
import json
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
# Seconds between two requests for a map that cannot be had, at most.
LONGEST_INTERVAL = 30.0
# Seconds after a change of the map in which data may be about to move: a rebalance begins 2 s after a target joined.
SETTLING = 10.0
_LONGEST_ANSWER = 64 << 20
_REBALANCE = json.dumps({"kind": "rebalance", "node": "", "show_active": True})
# What the proxy says when a node does not answer it.
_CALL_FAILED = b"ErrFailedTo"
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
        self._known: frozenset[str] = frozenset()
        self._missed: dict[str, float] = {}
        self._fetched = self._changed = self._not_before = float("-inf")
        self._failed = 0
        self._rebalance_asked = float("-inf")
        self._rebalances = False
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
        """Asks for the map, unless that was just done; returns whether there is one of after `newer_than`.

        A map that cannot be had is no error here: reads go through the proxy, and say what is wrong if that fails, too.
        While it cannot be had it is asked for less and less often, since each time may cost a timeout.

        Args:
            newer_than: Monotonic time; a map that was asked for before it does not do, however fresh it is.
        """
        with self._lock:
            now = time.monotonic()
            fresh = now - self._fetched < REFRESH_INTERVAL and self._fetched >= newer_than
            if not fresh and now >= self._not_before:
                fresh = self._fetch(now)
            return fresh

    def away_since(self, target: str) -> float | None:
        """When a target was first missed in the map; None where it is there, or where there is no map."""
        if not self.version or target in self._known:
            return None
        with self._lock:
            return self._missed.setdefault(target, time.monotonic())

    def is_settled(self, patience: float) -> bool:
        """Whether all is where the map says: no node has come of late or gone within `patience`, and no data moves."""
        if not self.version:  # nobody may tell: with AuthN, administrators alone are told
            return True
        now = time.monotonic()
        if now - self._changed < SETTLING or any(now - since < patience for since in self._missed.values()):
            return False
        return not self._is_rebalancing()

    def another(self, besides: Address, turn: int) -> Address | None:
        """One of the targets that listen elsewhere, another one at each turn."""
        others = [address for address in self._targets.values() if address != besides]
        return others[turn % len(others)] if others else None

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

    def _fetch(self, now: float) -> bool:
        text = self._get("daemon?what=smap")
        smap = _parsed(_SMAP, text)
        try:
            if smap is None:
                raise ValueError("no map came")
            if int(smap.version or 0) != self.version:
                self._adopt(smap)
                self._hosts = set(_hosts(text))
        except (ValueError, OverflowError):  # of a version or a digest that is no such number
            self._failed += 1
            self._not_before = time.monotonic() + min(REFRESH_INTERVAL * 2**self._failed, LONGEST_INTERVAL)
            return False
        self._failed, self._fetched = 0, now
        return True

    def _is_rebalancing(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now - self._rebalance_asked >= REFRESH_INTERVAL:
                self._rebalance_asked = now
                answer = self._get("cluster?what=running_all", _REBALANCE)
                self._rebalances = (answer.startswith(b"[") and b"rebalance" in answer) or _CALL_FAILED in answer
            return self._rebalances

    def _adopt(self, smap: Smap) -> None:
        usable = {tid: node for tid, node in smap.tmap.items() if not node.in_maint_or_decomm()}
        addresses = {tid: _address(node) for tid, node in usable.items()}
        placement = Placement({tid: node.id_digest for tid, node in usable.items()})
        version = int(smap.version or 0)
        # From here on nothing can fail.
        if self.version:
            self._changed = time.monotonic()
        self._missed |= dict.fromkeys(self._known - self._missed.keys(), time.monotonic())
        self._missed = {tid: since for tid, since in self._missed.items() if tid not in usable}
        self._known = frozenset(usable)
        self._targets = {tid: address for tid, address in addresses.items() if address}
        self._placement = placement
        self.target_count = len(usable)
        self.version = version

    def _get(self, path: str, message: str = "") -> bytes:
        """What the proxy answers, an error's text included; empty if it does not answer."""
        # Not through the SDK's client: with a node gone it retries for 44 to 90 s, and samples wait for this answer.
        settings, endpoint = self.settings, self.settings.endpoint
        headers = {"Content-Type": "application/json"}
        if settings.token:
            headers["Authorization"] = f"Bearer {settings.token}"
        timeout = settings.connect_timeout or REFRESH_INTERVAL
        connection: http.client.HTTPConnection
        if endpoint.tls:
            connection = http.client.HTTPSConnection(
                endpoint.host, endpoint.port, timeout=timeout, context=settings.ssl_context
            )
        else:
            connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout)
        try:
            connection.request("GET", f"{settings.path}/{path}", message or None, headers)
            return connection.getresponse().read(_LONGEST_ANSWER)
        except (OSError, ValueError, http.client.HTTPException):
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
