"""Waiting for a cluster that cannot list at the moment, since one of its targets is away."""

from __future__ import annotations

import time
import warnings

from aistore.sdk import Bucket
from aistore.sdk.errors import AISError

from aistorch.config import RetryPolicy
from aistorch.errors import AIStorchError, SlowReadWarning
from aistorch.sources.resolve import describe

# Seconds after which it is told that a listing is waited for, and then after each so many.
TELLING_AFTER, TELLING_AGAIN = 10.0, 30.0
# What the proxy says in a 400 when a target does not answer it, and before the first one has joined.
_PASSING = ("ErrFailedTo", "no storage targets")


def is_passing(error: AISError) -> bool:
    """Whether a refusal is due to the state of the cluster, and not to what was asked for."""
    return error.status_code == 400 and any(text in error.message for text in _PASSING)


class Pause:
    """The pauses of one request for a page.

    Args:
        bucket: What is listed.
        policy: How long each is, and all together.
    """

    def __init__(self, bucket: Bucket, policy: RetryPolicy | None = None) -> None:
        self._bucket = bucket
        self._policy = policy or RetryPolicy()
        self._began = time.monotonic()
        self._tell_after = TELLING_AFTER
        self._taken = 0

    def take(self, error: AIStorchError) -> bool:
        """Waits before the next attempt; returns whether there is to be one."""
        waited = time.monotonic() - self._began
        if waited >= self._policy.patience:
            return False
        if waited >= self._tell_after:
            self._tell_after = waited + TELLING_AGAIN
            text = f"the listing of {describe(self._bucket)} has been waited for for {waited:.0f} s: {error}"
            warnings.warn(text, SlowReadWarning, stacklevel=4)
        self._taken += 1
        time.sleep(self._policy.delay(self._taken))
        return True
