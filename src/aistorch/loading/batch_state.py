"""The state of a sampler of batches by cost: written and read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aistorch.errors import StateMismatchError
from aistorch.loading.batch_share import BatchPlace
from aistorch.order.batches import BatchPlan

_VERSION = 1
_KIND = "batches"


def state_of(place: BatchPlace, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The state that says where one is, and in what."""
    return {"version": _VERSION, "kind": _KIND, "epoch": place.epoch, "start": place.start, **identity}


def place_in(state: Any, identity: Mapping[str, Any], plan: BatchPlan) -> BatchPlace:
    """The place in a state.

    Raises:
        StateMismatchError: It is none, or one in something else; the text says what differs.
    """
    kind = state.get("kind") if isinstance(state, Mapping) else type(state).__name__
    if kind != _KIND:
        raise StateMismatchError(f"DynamicBatchSampler takes states of the kind {_KIND!r}, and this one is of {kind!r}")
    if not _same(state.get("version"), _VERSION):
        raise StateMismatchError(
            f"the state is of version {state.get('version')!r}, and this release knows version {_VERSION}: load it "
            "with the release that saved it, or begin the epoch anew"
        )
    differences = [_difference(name, state, value) for name, value in identity.items()]
    if differences := [text for text in differences if text]:
        raise StateMismatchError(f"the state was saved by another DynamicBatchSampler: {', '.join(differences)}")
    epoch, start = (_number(name, state) for name in ("epoch", "start"))
    if start > plan.count:
        raise StateMismatchError(f"the state says that {start} batches were read, and an epoch has {plan.count}")
    return BatchPlace(epoch, start) if start < plan.count else BatchPlace(epoch + (start > 0))


def _difference(name: str, state: Mapping[str, Any], value: Any) -> str:
    if name not in state:
        return f"{name} is missing"
    return "" if _same(state[name], value) else f"{name} was {state[name]!r:.50} and is {value!r:.50}"


def _same(saved: Any, value: Any) -> bool:
    """Whether they are equal, without taking True for 1."""
    if saved is None or not isinstance(saved, str | int | float):
        return saved is value
    return isinstance(saved, bool) == isinstance(value, bool) and bool(saved == value)


def _number(name: str, state: Mapping[str, Any]) -> int:
    number = state.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise StateMismatchError(f"the state's {name} is {number!r:.50}, and has to be a whole number of 0 or more")
    return number
