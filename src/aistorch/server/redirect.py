"""Sends clients to the target that must answer, as AIStore's proxy does."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from aiohttp import web

from aistorch.server.access import check_direct, make_marker
from aistorch.server.http_errors import ObjectMissing

if TYPE_CHECKING:
    from aistorch.server.cluster_map import Node
    from aistorch.server.request import Request

_turn = itertools.count()


def placed(req: Request) -> Node | None:
    """The node that the client must be sent to; None if this one answers.

    Raises:
        HTTPError: If this node may not answer, and a client is not sent on from it.
    """
    cluster = req.app.cluster
    if cluster.single:
        # Over TLS the SDK sends a PUT without its body first, and wants to be redirected (protocol facts, 0.7).
        encrypted = cluster.scheme == "https" and req.verb == "PUT" and req.area == "objects"
        return req.node if encrypted and not req.redirected else None
    if req.node.role == "target":
        check_direct(req)
        _check_owner(req)
        return None
    if req.area == "objects" and req.has_object:
        _ = req.bucket  # a missing bucket is the proxy's answer
        return cluster.owner(req.key.uname(req.object_name))
    if req.area == "ml":
        active = cluster.active()
        return active[next(_turn) % len(active)]
    return None


def redirect_to(req: Request, node: Node) -> web.Response:
    """301 for a GET of an object, else 307; the marker in the query is the permission to talk to the target."""
    path, _, query = req.http.raw_path.partition("?")
    marker = make_marker(req, path)
    location = f"{req.app.cluster.url(node, req.host)}{path}?{f'{query}&' if query else ''}{marker}"
    status = 301 if req.verb == "GET" and req.area == "objects" else 307
    return web.Response(status=status, headers={"Location": location})


def _check_owner(req: Request) -> None:
    if req.area != "objects" or not req.has_object:
        return
    if req.app.cluster.owner(req.key.uname(req.object_name)) is not req.node:
        raise ObjectMissing(req.key, req.object_name, req.node.id)
