"""The server's core: takes a request, finds out who must answer, and turns refusals into AIStore's error format.

One process and one event loop serve all ports. What differs between them is the `Node` a request was sent to: a proxy
redirects what is about an object to the target that owns it, a target answers for its own objects only.
How handlers are registered is told in `routes.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from aistorch.server import (
    append,
    archive_api,
    bucket_api,
    cluster_api,
    etl_api,
    getbatch,
    jobs_api,
    list_api,
    multiobject_api,
    multipart,
    object_api,
    object_get,
    object_jobs,
    summary_api,
)
from aistorch.server.access import check_token
from aistorch.server.append import Appends
from aistorch.server.cluster_map import ClusterMap, Node
from aistorch.server.etl import Etls
from aistorch.server.fault_effects import inflict
from aistorch.server.fault_rules import FaultRules
from aistorch.server.http_errors import NO_SPACE, BadRequest, DiskFull, HTTPError, MethodNotAllowed
from aistorch.server.jobs import Jobs
from aistorch.server.multipart import Uploads
from aistorch.server.redirect import placed, redirect_to
from aistorch.server.request import Request
from aistorch.server.routes import Handler, Routes
from aistorch.server.senders import Senders
from aistorch.server.store import Store
from aistorch.server.unread_body import answer_early

_log = logging.getLogger(__name__)

_MODULES = (
    append,
    archive_api,
    bucket_api,
    cluster_api,
    etl_api,
    getbatch,
    jobs_api,
    list_api,
    multiobject_api,
    multipart,
    object_api,
    object_get,
    object_jobs,
    summary_api,
)


class App:
    """Everything a handler may need.

    Attributes:
        store: The buckets.
        cluster: The nodes, and who owns what.
        host: The address it is bound to.
        senders: Whose requests are answered.
        token: What clients must present; None lets everybody in.
        allow_code: Whether ETLs of code that clients send are run.
        etls: What makes something else of objects while they are read.
        jobs: What goes on behind the answers.
        uploads: Objects that come in parts.
        appends: Objects that are being appended to.
        faults: What goes wrong on purpose.
        summary_prefixes: What the summaries under way are about, by job id.
    """

    def __init__(
        self,
        store: Store,
        cluster: ClusterMap,
        *,
        host: str = "127.0.0.1",
        names: Sequence[str] = (),
        token: str | None = None,
        allow_code: bool = False,
    ) -> None:
        self.store, self.cluster, self.host, self.token = store, cluster, host, token
        self.senders = Senders(host, names)
        self.allow_code, self.etls = allow_code, Etls()
        self.jobs, self.uploads, self.appends = Jobs(), Uploads(store), Appends()
        self.faults = FaultRules()
        self.summary_prefixes: dict[str, str] = {}
        self.routes = Routes()
        for module in _MODULES:
            self.routes.include(module.routes)

    def handler(self, node: Node) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """What aiohttp calls for each request on the node's port."""

        async def handle(http: web.BaseRequest) -> web.StreamResponse:
            try:
                self.senders.check(http)
                return await self._serve(Request(self, node, http))
            except (ConnectionError, asyncio.CancelledError):
                raise  # the client has gone
            except Exception as error:
                response = error_response(self._refusal(error, node, http), http, node)
            await answer_early(http, response)
            return response

        return handle

    def _refusal(self, error: Exception, node: Node, http: web.BaseRequest) -> HTTPError:
        if isinstance(error, HTTPError):
            return error
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return DiskFull(error)
        _log.error("%s failed on %s %s", node.label, http.method, http.raw_path, exc_info=error)
        return HTTPError(500, "internal error of the embedded server")

    async def _serve(self, req: Request) -> web.StreamResponse:
        check_token(req)
        owner = placed(req)
        if self.faults:
            await inflict(req, self.faults, answers=owner is None)
        if owner is not None:
            return redirect_to(req, owner)
        handler = await self._find(req)
        return await handler(req)

    async def _find(self, req: Request) -> Handler:
        routes, key = self.routes, (req.verb, req.area)
        for parameter, handler in routes.queries.get(key, ()):
            if req.query.get(parameter):
                return handler
        message = ""
        if key in routes.actions:
            message = (await req.action()).action
            if message in routes.actions[key]:
                return routes.actions[key][message]
        if key in routes.defaults:
            return routes.defaults[key]
        if message:
            raise BadRequest(f"invalid action {message!r} for {req.verb} {req.http.path}")
        allowed = routes.verbs(req.area)
        if not allowed:
            raise BadRequest(f"invalid request URI {req.http.path!r}")
        raise MethodNotAllowed(", ".join(allowed))


def error_response(error: HTTPError, http: web.BaseRequest, node: Node) -> web.Response:
    """The error as AIStore sends it: JSON in the body, or for HEAD in a header."""
    if isinstance(error, MethodNotAllowed):
        return web.Response(status=error.status, text=error.message + "\n", headers=error.headers)
    path = http.raw_path.partition("?")[0]
    body = error.body(method=http.method, path=path, remote=http.remote or "", node=node.label)
    headers = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", **error.headers}
    if http.method == "HEAD":
        return web.Response(status=error.status, headers={**headers, "Hdr-Error": body.decode().strip()})
    return web.Response(status=error.status, headers=headers, body=body)
