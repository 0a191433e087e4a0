"""What to do when a read did not go well: where to try again, when, and what to raise in the end."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from aistorch.config import RetryPolicy
from aistorch.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ChecksumError,
    InvalidArgumentError,
    ObjectNotFoundError,
    ObjectReplacedError,
    ReadError,
    ServerError,
    TransformError,
    TruncatedReadError,
)
from aistorch.fetch.address import Address
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.reply import Head
from aistorch.fetch.request import Request
from aistorch.fetch.trouble import Trouble

_REDIRECTS = (301, 302, 307, 308)
_DENIED = (401, 403)
_BUSY = (408, 425, 429, 503)
_KEPT_CAUSES = 8
_PROGRESS = 1 << 20
_MAX_REDIRECTS = 8
# So begins what is the transformer's own answer, which it gives to the same object once more, most likely.
_TRANSFORMER_SAID = "ETL error"
_TRANSFORM_ATTEMPTS = 2
_UNSETTLED = (
    "Targets of the cluster came or went, or it moved data, and it was not found meanwhile: wait until that is over"
)
# So a proxy refuses everything between its own start and that of the first target.
_NO_TARGETS = "no storage targets"
# A login page stays one.
_ASTRAY_ATTEMPTS = 3
_ASTRAY = (
    "Something else than the cluster has answered, a gateway's login page perhaps: check the endpoint (client_url, "
    "AIS_ENDPOINT) and what stands between here and there"
)


@dataclass(frozen=True, slots=True)
class Retry:
    """Send `request.line` to this address after so many seconds."""

    address: Address
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Raise this in place of the sample."""

    error: ServerError


Step = Retry | GiveUp


class Recovery:
    """Decides; it sends nothing itself.

    The order of things is that of the protocol: the target that the index names, then the proxy with a fresh map of the
    cluster, then again after a pause. A 404 is believed only from the proxy, or from where the proxy sent us, and only
    while the target that held the object is there and the cluster at rest.
    """

    def __init__(self, cluster: Cluster, policy: RetryPolicy) -> None:
        self._cluster = cluster
        self._policy = policy

    def proxy_line(self, line: bytes) -> bytes:
        """A request line as the proxy wants it, which may stand behind a gateway with a path of its own."""
        path = self._cluster.settings.path
        return line if path == "/v1" else line.replace(b"GET /v1/", f"GET {path}/".encode(), 1)

    def after_reply(self, request: Request, asked: Address, head: Head, body: bytes) -> Step:
        """The next step after a reply that is not the object."""
        trouble = self._trouble(request)
        trouble.status = head.status
        if head.status in _REDIRECTS:
            return self._follow(request, trouble, asked, head)
        if asked == trouble.elsewhere == trouble.asked:  # it has nothing to make the object of, which says nothing
            return self._again(request, trouble)
        from_target = self._from_listed_target(trouble, asked)
        if head.status in _DENIED:
            return self._denied(request, trouble, from_target)
        if head.status == 416 and request.part is not None:
            return self.after_change(request, asked, "it is shorter now")
        if head.status in (200, 206):
            return self._not_aistores(request, trouble, asked, head, body)
        message = _message(body)
        self._note(trouble, f"{asked} answered {head.status} {message}".rstrip())
        if from_target:
            return self._ask_proxy(request, trouble, delay=0.0)
        if trouble.etl and message.startswith(_TRANSFORMER_SAID) and head.status not in _BUSY:
            return self._failed(request, trouble)
        if head.status == 404:
            return self._missing(request, trouble, message)
        if trouble.etl:
            trouble.kind = TransformError
        if head.status == 400 and (_NO_TARGETS in message or not self._is_settled(trouble)):
            return self._wait(request, trouble, trouble.began, _UNSETTLED)
        if head.status == 501 or (400 <= head.status < 500 and head.status not in (409, *_BUSY)):
            return GiveUp(self._error(request, trouble))
        return self._again(request, trouble)

    def confirms(self, request: Request, length: int, checksum: int | None, besides: Address | None = None) -> bool:
        """Whether what came is not the object as listed, but the same as came before; from another node, if need be."""
        odd = None if request.trouble is None else request.trouble.odd
        return odd is not None and odd[:2] == (length, checksum) and odd[2] != besides

    def after_other(self, request: Request, asked: Address, cause: str, length: int, checksum: int | None) -> Step:
        """The next step after another object, or another version of it, than was listed: it is asked for once more."""
        trouble = self._trouble(request)
        first, trouble.odd = trouble.odd is None, (length, checksum, asked)
        self._begin_anew(request)
        trouble.kind = ReadError
        self._note(trouble, f"{asked}: {cause}")
        if first or self._from_listed_target(trouble, asked):
            return self._to_proxy(request, trouble, delay=0.0)
        return self._again(request, trouble)

    def after_damage(self, request: Request, asked: Address, cause: str) -> Step:
        """The next step after a body that does not match its checksum."""
        request.part = None
        return self._after_failure(request, asked, cause, ChecksumError)

    def after_change(self, request: Request, asked: Address, cause: str) -> Step:
        """The next step after a part turned out to be of another object than the parts before: all of it once more."""
        self._begin_anew(request)
        trouble = self._trouble(request)
        if request.part is not None and trouble.asked is not None:  # the proxy, or where it sent us, says so as well
            self._note(trouble, f"{asked}: {cause}")
            hint = "It was overwritten since it was listed: make the dataset anew"
            return GiveUp(ObjectReplacedError(request.url, trouble.attempts, trouble.causes, trouble.status, hint))
        return self._after_failure(request, asked, f"the object has changed: {cause}", ReadError)

    def _begin_anew(self, request: Request) -> None:
        """Forgets what has come of a large object; of a range, which is asked for again as such."""
        if request.part is not None and request.part.body.is_range:
            request.part.restart()
            request.part.body.version = None
        elif request.part is not None:
            request.part.body.stale = True
            request.part = None

    def after_loss(self, request: Request, asked: Address, cause: str, truncated: bool = False) -> Step:
        """The next step after a connection that ended before the reply did."""
        return self._after_failure(request, asked, cause, TruncatedReadError if truncated else ReadError)

    def after_refusal(self, request: Request, asked: Address, cause: str) -> Step:
        """The next step after a connection that could not be made."""
        step = self._after_failure(request, asked, cause, ReadError)
        redirected = isinstance(step, Retry) and step.delay and asked != self._cluster.settings.endpoint
        return (redirected and self._elsewhere(request, self._trouble(request), asked)) or step

    def _after_failure(self, request: Request, asked: Address, cause: str, kind: type[ReadError]) -> Step:
        trouble = self._trouble(request)
        trouble.kind = kind
        if request.part is not None and request.part.at - trouble.arrived >= _PROGRESS:
            # What arrives in large pieces does arrive: only failures without progress are counted.
            trouble.arrived, trouble.attempts, trouble.waits = request.part.at, 0, 0
            trouble.began = time.monotonic()
        self._note(trouble, f"{asked}: {cause}")
        if self._from_listed_target(trouble, asked):
            return self._ask_proxy(request, trouble, delay=0.0)
        return self._again(request, trouble)

    def _elsewhere(self, request: Request, trouble: Trouble, asked: Address) -> Step | None:
        """A read from any other target, where the one that the proxy sent us to does not answer.

        Where the bucket keeps slices or copies on several targets (`ec`), each of them can make the object of what the
        others have, and the proxy takes half a minute to notice that a target has gone. One that makes several at once
        fails at some, so that the next one is asked the next time.
        """
        other = self._cluster.another(asked, trouble.attempts)
        if request.is_derived or not other or not self._cluster.direct:
            return None
        trouble.elsewhere = trouble.asked = other
        trouble.asked_at = time.monotonic()
        request.aim(trouble.line)
        return Retry(other)

    def _trouble(self, request: Request) -> Trouble:
        if request.trouble is None:
            if not self._cluster.version:
                self._cluster.refresh()
            request.trouble = Trouble(request.aimed_at)
        return request.trouble

    def _note(self, trouble: Trouble, cause: str) -> None:
        trouble.attempts += 1
        trouble.redirects = 0
        token = self._cluster.settings.token
        trouble.causes.append(cause.replace(token, "(token)") if token else cause)
        del trouble.causes[:-_KEPT_CAUSES]

    def _from_listed_target(self, trouble: Trouble, asked: Address) -> bool:
        """Whether that was the direct read, which only tells that the object is not to be had there."""
        return trouble.asked is None and asked != self._cluster.settings.endpoint

    def _is_over(self, trouble: Trouble) -> bool:
        """Whether a request has been tried as often or for as long as the policy says."""
        failed = trouble.attempts - trouble.waits
        return failed >= self._policy.attempts or time.monotonic() - trouble.began >= self._policy.patience

    def _again(self, request: Request, trouble: Trouble) -> Step:
        return self._ask_proxy(request, trouble, self._policy.delay(trouble.attempts))

    def _wait(self, request: Request, trouble: Trouble, since: float, why: str) -> Step:
        """Asks again for what is missing while nodes come and go, as long as patience lasts since that began."""
        trouble.hint = why
        if time.monotonic() - since >= self._policy.patience:
            return GiveUp(self._error(request, trouble))
        trouble.waits += 1
        return self._to_proxy(request, trouble, self._policy.delay(trouble.waits))

    def _ask_proxy(self, request: Request, trouble: Trouble, delay: float) -> Step:
        if self._is_over(trouble):
            return GiveUp(self._error(request, trouble))
        return self._to_proxy(request, trouble, delay)

    def _to_proxy(self, request: Request, trouble: Trouble, delay: float) -> Step:
        self._cluster.refresh()
        request.aim(self.proxy_line(trouble.line))
        trouble.asked, trouble.asked_at = self._cluster.settings.endpoint, time.monotonic() + delay
        return Retry(trouble.asked, delay)

    def _not_aistores(self, request: Request, trouble: Trouble, asked: Address, head: Head, body: bytes) -> Step:
        """The next step after a page of something that stands before the cluster, or in its place."""
        kind, lines = head.headers.get("content-type", "no Content-Type"), body.decode("utf-8", "replace").split("\n")
        line = next((line.strip() for line in lines if line.strip()), "")
        cause = f"{asked} answered {head.status} without any header of AIStore's: {kind[:80]}, {line[:120]!r}"
        return self._led_astray(request, trouble, asked, cause)

    def _led_astray(self, request: Request, trouble: Trouble, asked: Address, cause: str) -> Step:
        """The next step after an answer that is not the cluster's."""
        trouble.kind, trouble.hint = ReadError, _ASTRAY
        from_target = self._from_listed_target(trouble, asked)
        self._note(trouble, cause)
        if from_target:
            return self._ask_proxy(request, trouble, delay=0.0)
        if trouble.attempts >= _ASTRAY_ATTEMPTS:
            return GiveUp(self._error(request, trouble))
        return self._again(request, trouble)

    def _follow(self, request: Request, trouble: Trouble, asked: Address, head: Head) -> Step:
        trouble.redirects += 1
        location = head.headers.get("location", "")
        try:
            address = Address.of_url(location)
        except InvalidArgumentError:
            self._note(trouble, f"redirected to {location[:200]!r}")
            return self._again(request, trouble)
        if trouble.redirects > _MAX_REDIRECTS:
            self._note(trouble, "redirected in circles")
            return self._again(request, trouble)
        if not (trouble.etl or self._cluster.knows(address.host, newer_than=trouble.asked_at)):
            return self._led_astray(request, trouble, asked, f"{asked} redirected to {address}, no node of the cluster")
        parts = urlsplit(location)
        query = f"?{parts.query}" if parts.query else ""
        request.aim(f"GET {parts.path}{query}".encode("latin-1"))
        trouble.asked = address
        return Retry(address)

    def _denied(self, request: Request, trouble: Trouble, from_target: bool) -> Step:
        if from_target:
            # AuthN or intra-cluster authentication: no target answers without the proxy's redirect, so none is asked.
            self._cluster.direct = False
            return self._ask_proxy(request, trouble, delay=0.0)
        advice = "pass a valid token to the Client" if trouble.status == 401 else "the token lacks the permission"
        # What the server says of a token may quote it.
        text = f"{request.url}: access denied ({trouble.status}); {advice}, or set AIS_AUTHN_TOKEN"
        return GiveUp(AccessDeniedError(text, trouble.status))

    def _failed(self, request: Request, trouble: Trouble) -> Step:
        trouble.kind = TransformError
        if trouble.attempts >= _TRANSFORM_ATTEMPTS:
            return GiveUp(self._error(request, trouble))
        return self._again(request, trouble)

    def _missing(self, request: Request, trouble: Trouble, message: str) -> Step:
        trouble.kind = ObjectNotFoundError
        if "bucket " in message and "does not exist" in message and request.url not in message:
            if not self._is_settled(trouble):  # a proxy that has just been started may know of none yet
                return self._wait(request, trouble, trouble.began, _UNSETTLED)
            bucket = request.bucket.rstrip("/")
            return GiveUp(BucketNotFoundError(f"bucket {bucket} does not exist (any more): {message}", 404))
        if trouble.etl and request.url not in message:
            trouble.kind = TransformError
            if self._cluster.expects_etl(trouble.etl):
                return self._again(request, trouble)
            return GiveUp(self._error(request, trouble))
        if request.url not in message and not request.alone:
            # The reply may be that to another request: one to this one alone tells.
            request.alone = True
            return self._to_proxy(request, trouble, delay=0.0)
        if request.target and (away := self._away_since(request.target, trouble)) is not None:
            why = f"The target t[{request.target}] that held it has left the cluster"
            return self._wait(request, trouble, away, why)
        if not self._is_settled(trouble):
            return self._wait(request, trouble, trouble.began, _UNSETTLED)
        trouble.hint = "It was listed or named, so it has been deleted since; make the dataset anew"
        return GiveUp(self._error(request, trouble))

    def _away_since(self, target: str, trouble: Trouble) -> float | None:
        # What the map said before the request was under way is of no use.
        self._cluster.refresh(newer_than=trouble.asked_at)
        return self._cluster.away_since(target)

    def _is_settled(self, trouble: Trouble) -> bool:
        """Whether a refusal is final, since the cluster that gave it is as it should be."""
        known = self._cluster.refresh(newer_than=trouble.asked_at) or not self._cluster.version
        return known and self._cluster.is_settled(self._policy.patience)

    def _error(self, request: Request, trouble: Trouble) -> ReadError:
        hint = trouble.hint
        if trouble.kind is TransformError:
            hint = f"See whether the ETL {trouble.etl!r} runs, and what its log says"
        return trouble.kind(request.url, trouble.attempts, trouble.causes, trouble.status, hint)


def _message(body: bytes) -> str:
    """The text of an error body, which is JSON, normally."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, TypeError, KeyError):  # of a gateway, or of a transformer that the client was sent to
        message = body.decode("utf-8", "replace")
    return str(message).strip()[:300]
