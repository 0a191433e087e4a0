"""The server that is measured: somebody's cluster, or an embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from aistore.sdk import Client

from aistorch.index.endpoint import check_reachable

_TARGETS = 3


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What kind of server it is.

    Attributes:
        embedded: Whether it is aistorch's own.
        proxies: How many proxies.
        targets: How many targets.
        local: Whether it runs on this machine, so that client and server share its processors.
        version: As it says itself.
    """

    embedded: bool
    proxies: int
    targets: int
    local: bool
    version: str

    @property
    def title(self) -> str:
        """For tables and charts."""
        kind = "embedded AIStore" if self.embedded else "real AIStore cluster"
        return f"{kind} ({_count(self.proxies, 'proxy', 'proxies')} + {_count(self.targets, 'target', 'targets')})"


def describe_server(endpoint: str) -> ServerInfo:
    """Asks a server what it is.

    Raises:
        EndpointUnreachableError: Nothing answers at the endpoint.
    """
    client = Client(endpoint)
    requests = client.bucket("any").client
    check_reachable(requests)
    members = client.cluster().get_info()
    status = requests.request("get", path="daemon", params={"what": "node_status"}).json()
    return ServerInfo(
        embedded=status.get("deployment") == "embedded",
        proxies=len(members.pmap),
        targets=len(members.tmap),
        local=is_loopback(endpoint),
        version=str(status.get("ais_version", "")).rstrip("."),
    )


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint is on this machine's loopback interface."""
    host = urlsplit(endpoint).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


@contextmanager
def server(endpoint: str | None) -> Iterator[str]:
    """The endpoint asked for, or that of an embedded server that lives as long as the context."""
    if endpoint:
        yield endpoint
        return
    from aistorch.server import EmbeddedAIStore

    with EmbeddedAIStore(targets=_TARGETS) as embedded:
        yield embedded.endpoint


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
