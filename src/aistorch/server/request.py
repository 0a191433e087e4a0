"""A request, taken apart the way AIStore does: path, query, action message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from aistorch.server.bucket import Bucket
from aistorch.server.cluster_map import Node
from aistorch.server.http_errors import BadRequest, HTTPError
from aistorch.server.names import BucketKey, check_object_name, decode_path
from aistorch.server.senders import WILDCARDS

if TYPE_CHECKING:
    from aistorch.server.app import App

_MAX_JSON = 64 << 20
_MAX_PARAMETERS = 100

_bucket_key = lru_cache(maxsize=1024)(BucketKey.make)


@dataclass(frozen=True, slots=True)
class Action:
    """The message in the body of most calls that are not about an object's data."""

    action: str
    name: str
    value: Any


class Request:
    """One request to one node.

    Attributes:
        app: The server.
        node: The node it was sent to.
        http: The request as aiohttp parsed it.
        verb: `GET`, `PUT` ...
        area: The word after `/v1/`.
        parts: The decoded path behind the area, at most two parts: `objects/<bucket>/<rest>`.
        query: Parameters; of repeated ones the last.
        damaged: Whether a fault damages the response.
    """

    __slots__ = ("_body", "_key", "_object_name", "app", "area", "damaged", "http", "node", "parts", "query", "verb")

    def __init__(self, app: App, node: Node, http: web.BaseRequest) -> None:
        self.app, self.node, self.http, self.verb = app, node, http, http.method
        path, _, query = http.raw_path.partition("?")
        pieces = path.split("/", 4)
        if len(pieces) < 3 or pieces[0] or pieces[1] != "v1":
            raise BadRequest(f"invalid request URI {path!r}: '/v1/<area>/...' was expected")
        self.area = pieces[2]
        self.parts = [decode_path(piece) for piece in pieces[3:] if piece]
        self.query = _parse_query(query)
        self.damaged = False
        self._key: BucketKey | None = None
        self._object_name: str | None = None
        self._body: bytes | None = None

    @property
    def redirected(self) -> bool:
        """Whether a proxy sent the client here."""
        return "pid" in self.query and "utm" in self.query

    @property
    def key(self) -> BucketKey:
        """The bucket that the path names.

        Raises:
            BadRequest: If it names none, or no valid one.
        """
        if self._key is None:
            name = self.parts[0] if self.parts else ""
            self._key = _bucket_key(name, self.query.get("provider", ""), self.query.get("namespace", ""))
        return self._key

    @property
    def bucket(self) -> Bucket:
        """That bucket.

        Raises:
            BadRequest: If the path names none, or no valid one.
            BucketMissing: If it does not exist.
        """
        return self.app.store.bucket(self.key)

    @property
    def has_object(self) -> bool:
        """Whether the path goes on behind the bucket."""
        return len(self.parts) > 1

    @property
    def object_name(self) -> str:
        """The object that the path names.

        Raises:
            InvalidName: If it names none, or no valid one.
        """
        if self._object_name is None:
            self._object_name = check_object_name(self.parts[1] if self.has_object else "")
        return self._object_name

    @property
    def host(self) -> str:
        """The address at which the client reaches this server."""
        if self.app.host not in WILDCARDS:
            return self.app.host
        transport = self.http.transport
        return str(transport.get_extra_info("sockname")[0]) if transport else "127.0.0.1"

    @property
    def may_sendfile(self) -> bool:
        """Whether the body may go from the file to the socket inside the kernel: not over TLS, not if damaged."""
        return self.app.cluster.scheme == "http" and not self.damaged

    @property
    def writer(self) -> AbstractStreamWriter:
        """What the response is written with."""
        return self.http.writer

    def flag(self, name: str) -> bool:
        """Whether a parameter is set to a true value, in Go's or Python's spelling."""
        return self.query.get(name, "").lower() in ("1", "t", "true", "y", "yes", "on")

    async def body(self) -> bytes:
        """The whole body, for small ones.

        Raises:
            HTTPError: If it is larger than 64 MiB.
        """
        if self._body is None:
            chunks, size = [], 0
            async for chunk in self.http.content.iter_any():
                size += len(chunk)
                if size > _MAX_JSON:
                    raise HTTPError(413, f"the body has more than {_MAX_JSON} bytes")
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        """The body as JSON; None if there is no body.

        Raises:
            BadRequest: If it is not JSON.
        """
        body = await self.body()
        if not body:
            return None
        try:
            return json.loads(body)
        except ValueError as error:
            raise BadRequest(f"the body is not JSON: {error}") from None
        except RecursionError:
            raise BadRequest("the body has too many lists and objects within each other") from None

    async def action(self) -> Action:
        """The body as an action message; all parts empty if there is no body.

        Raises:
            BadRequest: If it is something else.
        """
        message = await self.json()
        if message is None:
            return Action("", "", None)
        if not isinstance(message, dict):
            raise BadRequest("the body is not an action message: an object with 'action' was expected")
        return Action(str(message.get("action", "")), str(message.get("name", "")), message.get("value"))


@lru_cache(maxsize=256)  # most requests of a client have the same query
def _parse_query(text: str) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS))
    except ValueError as error:
        raise BadRequest(f"invalid query: {error}") from None
