"""The nodes this server poses as, and which of them owns an object.

Placement is AIStore's highest random weight: every client that knows the map finds the same owner
(`aistore.sdk.utils` has the two hash functions).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aistore.sdk.utils import get_digest, xoshiro256_hash

MAINTENANCE = 4
_INFORMATION_CENTER = 2  # the flag of the only proxy of a cluster


@dataclass(slots=True)
class Node:
    """One node of the cluster.

    Attributes:
        id: Its name, unique in the cluster.
        role: `proxy` or `target`.
        port: Where it listens; 0 until it does.
        digest: xxh64 of the id, as placement needs it.
        flags: AIStore's node flags, `MAINTENANCE` among them.
    """

    id: str
    role: str
    port: int = 0
    digest: int = 0
    flags: int = 0

    def __post_init__(self) -> None:
        self.digest = get_digest(self.id)

    @property
    def label(self) -> str:
        """The name in messages and logs: `t[id]`."""
        return f"{self.role[0]}[{self.id}]"


class ClusterMap:
    """One proxy and the targets. With a single target both share one port.

    Args:
        uuid: The cluster's name.
        targets: How many targets.
        scheme: `http` or `https`.
    """

    def __init__(self, uuid: str, targets: int, scheme: str = "http") -> None:
        self.uuid, self.scheme, self.version = uuid, scheme, 1 + targets
        self.proxy = Node("embp0", "proxy", flags=_INFORMATION_CENTER)
        self.targets = {node.id: node for node in (Node(f"embt{i + 1}", "target") for i in range(targets))}
        self.created = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        self.owner = lru_cache(maxsize=1 << 16)(self._owner)

    @property
    def single(self) -> bool:
        """Whether proxy and target are one and the same."""
        return len(self.targets) == 1

    def active(self) -> list[Node]:
        """The targets that hold objects, at least one: all but those in maintenance."""
        return [node for node in self.targets.values() if not node.flags & MAINTENANCE]

    def set_maintenance(self, target_id: str, on: bool) -> None:
        """Moves the objects of a target to the others, or back; the map's version grows.

        Raises:
            ValueError: If there is no such target, or no other.
        """
        if target_id not in self.targets:
            raise ValueError(f"no target {target_id!r}; there are {', '.join(self.targets)}")
        if on and not any(node.id != target_id for node in self.active()):
            raise ValueError(f"{target_id!r} is the only target left; its objects have nowhere to go")
        node = self.targets[target_id]
        node.flags = node.flags | MAINTENANCE if on else node.flags & ~MAINTENANCE
        self.version += 1
        self.owner.cache_clear()

    def url(self, node: Node, host: str) -> str:
        """The node's URL, at the address that the client used."""
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{node.port}"

    def location(self, uname: str) -> str:
        """Where an object lies, as listings and HEAD show it."""
        return f"{self.owner(uname).label}:mp[/ais/mp1, embedded]"

    def to_json(self, host: str) -> dict[str, Any]:
        """The map as `what=smap` gives it."""
        proxy = self._snode(self.proxy, host)
        return {
            "pmap": {self.proxy.id: proxy},
            "tmap": {node.id: self._snode(node, host) for node in self.targets.values()},
            "proxy_si": proxy,
            "uuid": self.uuid,
            "creation_time": self.created,
            "version": str(self.version),
        }

    def _snode(self, node: Node, host: str) -> dict[str, Any]:
        net = {"node_ip_addr": host, "daemon_port": str(node.port), "direct_url": self.url(node, host)}
        return {
            "public_net": net,
            "intra_data_net": net,
            "intra_control_net": net,
            "daemon_type": node.role,
            "daemon_id": node.id,
            "flags": node.flags,
            "id_digest": node.digest,
        }

    def _owner(self, uname: str) -> Node:
        active = self.active()
        if len(active) == 1:
            return active[0]
        digest = get_digest(uname)
        return max(active, key=lambda node: xoshiro256_hash(node.digest ^ digest))
