"""Which function answers which request.

A module of handlers makes one `Routes` and decorates its functions; `app.py` merges them all. A request is looked up by
its verb and area (the word after `/v1/`):

    routes = Routes()

    @routes.query("GET", "objects", "archpath")        # ?archpath=..., not empty; tried first
    @routes.action("POST", "buckets", "copy-bck")      # {"action": "copy-bck", ...} in the body; tried second
    @routes.default("GET", "objects")                  # everything else
    async def handler(req: Request) -> web.StreamResponse: ...

Bodies are parsed as action messages only where a verb and area have actions, so `PUT objects`, whose body is data, must
never get one. A handler refuses by raising an `HTTPError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aistorch.server.request import Request

Handler = Callable[["Request"], Awaitable[web.StreamResponse]]
Decorator = Callable[[Handler], Handler]


class Routes:
    """A table of handlers."""

    def __init__(self) -> None:
        self.defaults: dict[tuple[str, str], Handler] = {}
        self.actions: dict[tuple[str, str], dict[str, Handler]] = {}
        self.queries: dict[tuple[str, str], list[tuple[str, Handler]]] = {}

    def default(self, verb: str, area: str) -> Decorator:
        """Answers what nothing else does."""

        def register(handler: Handler) -> Handler:
            self.defaults[verb, area] = handler
            return handler

        return register

    def action(self, verb: str, area: str, *actions: str) -> Decorator:
        """Answers requests whose body names one of the actions."""

        def register(handler: Handler) -> Handler:
            self.actions.setdefault((verb, area), {}).update(dict.fromkeys(actions, handler))
            return handler

        return register

    def query(self, verb: str, area: str, parameter: str) -> Decorator:
        """Answers requests that have the parameter, with a value."""

        def register(handler: Handler) -> Handler:
            self.queries.setdefault((verb, area), []).append((parameter, handler))
            return handler

        return register

    def include(self, other: Routes) -> None:
        """Takes over all handlers of another table."""
        self.defaults.update(other.defaults)
        for key, actions in other.actions.items():
            self.actions.setdefault(key, {}).update(actions)
        for key, queries in other.queries.items():
            self.queries.setdefault(key, []).extend(queries)

    def verbs(self, area: str) -> list[str]:
        """The verbs that an area knows."""
        return sorted({verb for table in (self.defaults, self.actions, self.queries) for verb, a in table if a == area})
