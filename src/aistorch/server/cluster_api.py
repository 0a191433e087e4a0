"""Calls about the cluster: map, health, node status."""

from __future__ import annotations

import time

from aiohttp import web

from aistorch.server.http_errors import BadRequest, HTTPError
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()
_started = time.monotonic_ns()


@routes.default("GET", "health")
@routes.default("HEAD", "health")
async def health(_req: Request) -> web.StreamResponse:
    """Always up: a server that answers is ready."""
    uptime = str(time.monotonic_ns() - _started)
    return web.Response(headers={"Ais-Cluster-Uptime": uptime, "Ais-Node-Uptime": uptime})


@routes.default("GET", "daemon")
@routes.default("GET", "cluster")
async def query_cluster(req: Request) -> web.StreamResponse:
    """`what=smap`; what else there is to ask about jobs is answered by `jobs`."""
    what = req.query.get("what", "")
    if what == "smap":
        return web.json_response(req.app.cluster.to_json(req.host))
    if what == "node_status" and req.area == "daemon":
        return _status(req)
    raise BadRequest(f"invalid request: unrecognized what={what}")


@routes.default("GET", "reverse")
async def query_node(req: Request) -> web.StreamResponse:
    """The proxy asks a node for the client: its status, its log (empty)."""
    node = req.http.headers.get("Ais-Node-Id", "")
    if node != req.app.cluster.proxy.id and node not in req.app.cluster.targets:
        raise HTTPError(404, f"node {node!r} does not exist", "ErrNotFound")
    if req.query.get("what") == "log":
        return web.Response(text="")
    return _status(req, node)


def _status(req: Request, node_id: str = "") -> web.Response:
    members = req.app.cluster.to_json(req.host)
    snode = {**members["pmap"], **members["tmap"]}[node_id or req.node.id]
    status = {"status": "online", "deployment": "embedded", "snode": snode, "smap_version": members["version"]}
    return web.json_response(status)
