"""Faults for tests: what goes wrong, for which objects, how often. Deterministic: counted, never drawn by chance.

with EmbeddedAIStore(targets=3) as ais:
    fault = ais.faults.status(503, prefix="train/", times=2)
    ...                                  # two GETs of objects below train/ answer 503, then all is well
    assert fault.hits == 2
    ais.faults.clear()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from typing_extensions import Unpack

Command = Callable[..., Any]


class Match(TypedDict, total=False):
    """Which requests a fault hits; all that is given must apply.

    Attributes:
        contains: Part of the object's name.
        prefix: Its beginning.
        regex: A regular expression, searched for in the name.
        method: The HTTP method, `GET` if not given; None for every one.
        target: The id of a node (a target or the proxy). If not given: whichever node answers, so that a request
            which the proxy redirects counts once.
        area: `objects` if not given; `buckets` (listing), `ml` (GetBatch), `daemon` (the cluster map) or `health`.
        after: How many such requests pass unharmed before; 0 if not given.
        times: How many are hit then; if not given or None, all.
    """

    contains: str | None
    prefix: str | None
    regex: str | None
    method: str | None
    target: str | None
    area: str
    after: int
    times: int | None


class Fault:
    """A fault that was asked for."""

    def __init__(self, command: Command, number: int) -> None:
        self._command, self._number = command, number

    @property
    def hits(self) -> int:
        """How many requests it has hit; 0 again once it was removed."""
        return int(self._command("hits").get(str(self._number), 0))

    def remove(self) -> None:
        """Ends this fault alone."""
        self._command("remove", number=self._number)


class Faults:
    """The faults of one embedded server. Several at once are fine: all that match apply.

    For the process that started the server, not for its forked children.
    """

    def __init__(self, command: Command, proxy_id: str) -> None:
        self._command, self._proxy = command, proxy_id

    def delay(self, seconds: float, **match: Unpack[Match]) -> Fault:
        """Answers late."""
        return self._add("delay", seconds, match)

    def status(self, code: int, **match: Unpack[Match]) -> Fault:
        """Answers with an error status (400 to 599) instead; 404 looks like a missing object."""
        if not 400 <= code <= 599:
            raise ValueError(f"{code} is not an error status; use 400 to 599")
        return self._add("status", code, match)

    def drop_after(self, count: int, **match: Unpack[Match]) -> Fault:
        """Resets the connection after `count` bytes of the body; a client sees these at most, then an error."""
        return self._add("drop", count, match)

    def truncate(self, count: int, **match: Unpack[Match]) -> Fault:
        """Announces the whole length, sends `count` bytes of the body and closes the connection in good order."""
        return self._add("truncate", count, match)

    def shorten(self, count: int, **match: Unpack[Match]) -> Fault:
        """Announces and sends `count` bytes only, as if the object were shorter; nothing in HTTP tells."""
        return self._add("shorten", count, match)

    def corrupt(self, offset: int, **match: Unpack[Match]) -> Fault:
        """Inverts the byte at an offset of the body."""
        return self._add("corrupt", offset, match)

    def stop_target(self, target_id: str) -> None:
        """Makes a target break its connections and refuse new ones. The map goes on to list it, as at first in life."""
        self._command("stop", node=target_id)

    def start_target(self, target_id: str) -> None:
        """Brings a stopped target back, at the same port."""
        self._command("start", node=target_id)

    def stop_proxy(self) -> None:
        """Makes the proxy break its connections and refuse new ones."""
        self.stop_target(self._proxy)

    def start_proxy(self) -> None:
        """Brings the proxy back, at the same port."""
        self.start_target(self._proxy)

    def relocate(self, target_id: str) -> None:
        """Moves all objects of a target to the others, as when it is put in maintenance.

        What was listed before is stale: the target still answers, with 404. The map has a new version.
        """
        self._command("maintenance", node=target_id, on=True)

    def relocate_back(self, target_id: str) -> None:
        """Moves them back; the map has a newer version yet."""
        self._command("maintenance", node=target_id, on=False)

    def clear(self) -> None:
        """Ends all faults: rules are forgotten, stopped nodes start, relocated objects move back."""
        self._command("clear")

    def _add(self, effect: str, amount: float, match: Match) -> Fault:
        return Fault(self._command, self._command("add", rule={"effect": effect, "amount": amount, **match}))
