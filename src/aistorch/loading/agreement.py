"""Ranks that disagree are noticed: each compares what it begins to read with what the first rank to come has said.

They compare by way of the key-value store by which `torch.distributed` began, and not by a collective operation: a rank
that iterates alone, to validate, must not wait for others, and NCCL would want tensors on a GPU.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from torch import distributed

from aistorch.errors import RanksDisagreeError, RanksDisagreeWarning

KEPT = 16
"""How many iterations a rank may be behind another one and still be compared with it; as many keys are in the store."""

LOOKED_AT = 8
"""The batch with which ranks that train together are in the same epoch, if they are at all."""

_logger = logging.getLogger(__name__)
_begun: Counter[str] = Counter()
_inherited: Any = None


def check_agreement(what: str, facts: Mapping[str, Any]) -> None:
    """Compares what this rank begins to read with what the other ranks have said when they began to.

    Called by each rank in its main process, where an iteration begins. The first iteration of `what` in this process is
    compared with the first in the others, the second with the second, and so on. No rank waits for another one, so of
    ranks that differ it is those that come later that notice. Without `torch.distributed`, or where it has no store
    that compares, nothing happens.

    Args:
        what: What is iterated over, in the same words on all ranks that shall agree.
        facts: What must be the same, as JSON: epoch, start, seed, number of samples ...

    Raises:
        RanksDisagreeError: Another rank has said something else.
    """
    store = _store_among_ranks()
    if store is None:
        return
    _begun[what] += 1
    try:
        said = _first_said(store, what, _begun[what], json.dumps([distributed.get_rank(), facts], default=str))
    except RuntimeError as error:  # of a fake store, or one whose server has ended; torch's own are RuntimeErrors
        _log_once(f"ranks are not compared: {error}")
        return
    rank, others = json.loads(said)
    own = json.loads(json.dumps(facts, default=str))
    if others != own:
        raise RanksDisagreeError(_text(what, own, rank, others))


class Watch:
    """Looks after some batches whether another rank is in another epoch, as after an iteration that only one began.

    Args:
        what: See `check_agreement`.
        epoch: The epoch of the iteration that this rank begins.
    """

    def __init__(self, what: str, epoch: int) -> None:
        self._what, self._epoch = what, epoch
        self._batches = 0
        store = _store_among_ranks()
        try:
            if store is not None:
                store.set(_epoch_key(what, distributed.get_rank()), str(epoch))
        except RuntimeError as error:
            _log_once(f"epochs of ranks are not compared: {error}")

    def count(self) -> None:
        """Counts a batch.

        Warns:
            RanksDisagreeWarning: Another rank is in another epoch.
        """
        self._batches += 1
        if self._batches == LOOKED_AT and (store := _store_among_ranks()) is not None:
            other = 0 if distributed.get_rank() else 1
            key = _epoch_key(self._what, other)
            try:
                epoch = int(store.get(key)) if store.check([key]) else self._epoch
            except RuntimeError as error:
                _log_once(f"epochs of ranks are not compared: {error}")
                return
            if epoch != self._epoch:
                warnings.warn(
                    f"rank {distributed.get_rank()} reads epoch {self._epoch} of {self._what}, and rank {other} epoch "
                    f"{epoch}, so some samples come twice and others not. One of them has begun an iteration more, as "
                    "by next(iter(loader)): call set_epoch on all ranks",
                    RanksDisagreeWarning,
                    stacklevel=4,
                )


def _epoch_key(what: str, rank: int) -> str:
    return f"aistorch/epoch/{rank}/{json.dumps(what)}"


def _first_said(store: Any, what: str, number: int, own: str) -> bytes:
    """Leaves what this rank says in the store where it is the first, and gives what the first has said."""
    said: bytes = store.compare_set(_key(what, number), "", own)
    if number > KEPT:
        store.delete_key(_key(what, number - KEPT))
    return said


def _key(what: str, number: int) -> str:
    return f"aistorch/{number}/{json.dumps(what)}"  # ASCII, whatever stands in `what`


def _text(what: str, own: Mapping[str, Any], rank: int, others: Mapping[str, Any]) -> str:
    differences = [
        f"{name} is {own.get(name)!r} on rank {distributed.get_rank()} and {others.get(name)!r} on rank {rank}"
        for name in {**own, **others}
        if own.get(name) != others.get(name)
    ]
    return (
        f"ranks do not read the same {what}: {', '.join(differences)}. Some samples would be read twice, others not: "
        "give all ranks the same arguments, the same state and the same calls of set_epoch; ranks that shall read "
        "something of their own want rank= and world_size="
    )


def _store_among_ranks() -> Any:
    """The store of a process group of several ranks that this process has begun itself; None where there is none."""
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return None
    # A process that was forked after that shares the connection with its parent: both would read the other's answers.
    return None if distributed.group.WORLD is _inherited else _default_store()


def _default_store() -> Any:
    """The store that the process group began with, None where there is none, as with MPI; torch keeps it private."""
    try:
        return distributed.distributed_c10d._get_default_store()
    except Exception as error:  # whatever another release makes of it
        _log_once(f"ranks are not compared: {type(error).__name__}: {error}")
        return None


@lru_cache
def _log_once(text: str) -> None:
    _logger.debug(text)


def _remember_inherited() -> None:
    global _inherited
    if distributed.is_available() and distributed.is_initialized():
        _inherited = distributed.group.WORLD


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_inherited)
