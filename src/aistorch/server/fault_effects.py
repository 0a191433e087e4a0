"""What a fault does to a request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aistorch.server.fault_rules import BODY_EFFECTS, FaultRules
from aistorch.server.faulty_writer import FaultyWriter
from aistorch.server.http_errors import HTTPError, ObjectMissing

if TYPE_CHECKING:
    from aistorch.server.request import Request


async def inflict(req: Request, faults: FaultRules, *, answers: bool) -> None:
    """Applies the faults that hit a request: waits, refuses, or prepares the damage to the response.

    Args:
        req: The request.
        faults: All faults.
        answers: Whether the node answers it, rather than redirects.

    Raises:
        HTTPError: If a fault says so.
    """
    cluster = req.app.cluster
    nodes = (req.node.id, *cluster.targets) if cluster.single else (req.node.id,)
    name = req.parts[1] if req.has_object else ""
    hit = faults.matching(req.area, req.verb, name, nodes, answers)
    for rule in hit:
        if rule.effect == "delay":
            await asyncio.sleep(rule.amount)
    for rule in hit:
        if rule.effect == "status":
            raise _refusal(req, int(rule.amount))
        if rule.effect in BODY_EFFECTS and isinstance(req.writer, FaultyWriter):
            req.damaged = True
            req.writer.set_fault(rule.effect, int(rule.amount))


def _refusal(req: Request, status: int) -> HTTPError:
    if status == 404 and req.has_object:
        return ObjectMissing(req.key, req.object_name, req.node.id)
    return HTTPError(status, f"{req.node.label}: a fault of the test", "ErrFault")
