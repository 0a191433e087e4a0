"""Who may ask what: an optional token, and direct access to targets (AIStore 5.0's rules)."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from aistorch.server.http_errors import BadRequest, HTTPError
from aistorch.server.names import decode_path

if TYPE_CHECKING:
    from aistorch.server.request import Request

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_OPEN_AREAS = ("health",)


def check_token(req: Request) -> None:
    """Refuses requests without the right token, where one is wanted.

    A redirect is itself the permission to talk to a target, as the SDK drops the token on the way; it is signed, so
    that nobody but the proxy can give it. Health is open.

    Raises:
        HTTPError: 401 without a token or with another; 403 for a target that was asked directly.
    """
    token = req.app.token
    if token is None or req.area in _OPEN_AREAS:
        return
    if req.node.role == "target":
        _check_signature(req, token)
        return
    header = req.http.headers.get("Authorization", "")
    if not header:
        raise HTTPError(401, "token required")
    if not hmac.compare_digest(header.encode(errors="surrogateescape"), f"Bearer {token}".encode()):
        raise HTTPError(401, 'invalid token from header "Authorization"')


def check_direct(req: Request) -> None:
    """Refuses what a target does only for clients that a proxy has sent.

    Raises:
        BadRequest: For changes to objects, and calls about ETLs.
        HTTPError: 401 for GetBatch, 403 for bucket calls.
    """
    if req.area == "ml" and not req.redirected:
        raise HTTPError(401, f"{req.node.label}: direct target access denied")
    if req.area == "buckets":
        if req.redirected:
            raise HTTPError(403, f"{req.node.label}: bucket calls on a target are for the cluster's own nodes")
        raise BadRequest(f"{req.node.label}: bucket calls go to the proxy")
    if req.area == "etl":
        raise BadRequest(f"{req.node.label}: ETL calls go to the proxy")
    if req.area == "objects" and req.verb not in ("GET", "HEAD") and not req.redirected:
        raise BadRequest(f"{req.node.label}: {req.verb} {req.http.path} is expected to be redirected by a proxy")


def make_marker(req: Request, path: str) -> str:
    """The parameters that a redirect adds: who sent the client, when, and with a token a signature of all that.

    The permission is for this verb and path alone.
    """
    sent = f"pid={req.app.cluster.proxy.id}&utm={_base36(time.time_ns())}"
    return sent if req.app.token is None else f"{sent}&u={_signature(req.app.token, req.verb, path, sent)}"


def _check_signature(req: Request, token: str) -> None:
    path = req.http.raw_path.partition("?")[0]
    sent = f"pid={req.query.get('pid')}&utm={req.query.get('utm')}"
    if not hmac.compare_digest(req.query.get("u", "").encode(), _signature(token, req.verb, path, sent).encode()):
        raise HTTPError(403, f"{req.node.label}: direct target access denied")


def _signature(token: str, verb: str, path: str, sent: str) -> str:
    # Of the decoded path: clients may spell it in another way when they follow the redirect.
    signed = hmac.digest(token.encode(), f"{verb} {decode_path(path)}?{sent}".encode(), hashlib.sha256)
    return _base36(int.from_bytes(signed[:8], "big"))


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits
