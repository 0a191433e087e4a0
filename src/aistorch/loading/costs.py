"""What each sample costs: its bytes, or what the user says."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from decimal import Decimal
from numbers import Real
from typing import Any, Protocol, cast

import numpy as np
from aistore.sdk.obj.object import Object
from numpy.typing import NDArray

from aistorch.errors import ArgumentTypeError, InvalidArgumentError
from aistorch.order.packing import Costs


class ListsObjects(Protocol):
    """What can be sampled from: any dataset that tells its objects, those of the SDK's plugin among them."""

    def get_obj_list(self) -> Sequence[Object]:
        """All objects; sample i is made of object i."""


def costs_of(dataset: ListsObjects | Sized, cost: Any = None) -> Costs:
    """The cost of each sample, whole numbers or floating-point ones, in an array that nobody else changes.

    Args:
        dataset: Any dataset where `cost` is given; else one that tells its objects or, in an array `sizes`, its bytes.
        cost: What numpy makes an array of numbers of, one for each sample; None: bytes.

    Raises:
        ArgumentTypeError: The dataset tells no sizes, or `cost` holds something else than numbers.
        InvalidArgumentError: A number is negative or none, or there are not as many as samples.
    """
    if cost is not None:
        return numbers("cost", cost, _length(dataset))
    if (sizes := own_sizes(dataset)) is not None:
        return numbers(f"sizes of {type(dataset).__name__}", sizes, len(sizes))
    if not lists_objects(dataset):
        raise ArgumentTypeError(
            f"data_source must be a dataset with get_obj_list(), not {type(dataset).__name__}; for any other with a "
            "length, say what its samples cost: cost=..."
        )
    return _sizes_of_objects(cast(ListsObjects, dataset).get_obj_list())


def lists_objects(dataset: object) -> bool:
    """Whether sample i of a dataset is object i of a list."""
    return callable(getattr(dataset, "get_obj_list", None))


def own_sizes(dataset: object) -> NDArray[Any] | None:
    """Bytes of each sample, where these are not objects: a dataset tells them by an array `sizes`."""
    sizes = getattr(dataset, "sizes", None)
    return sizes if isinstance(sizes, np.ndarray) else None


def numbers(name: str, values: Any, count: int) -> Costs:
    """`count` numbers of 0 or more, as 64-bit whole or floating-point ones.

    Raises:
        ArgumentTypeError: They are no numbers.
        InvalidArgumentError: There are not so many, or one is negative, infinite or missing.
    """
    array = _as_array(name, values)
    if array.shape != (count,):
        found = f"{len(array)}" if array.ndim == 1 else f"an array of shape {array.shape}"
        raise InvalidArgumentError(f"{name} must have a number for each of {count} samples, and has {found}")
    column = _as_64_bits(array)
    if len(wrong := np.flatnonzero(~np.isfinite(column))):
        raise InvalidArgumentError(f"{name} has no number for sample {wrong[0]}, but {column[wrong[0]]}")
    if len(wrong := np.flatnonzero(column < 0)):
        raise InvalidArgumentError(f"{name} is {column[wrong[0]]} for sample {wrong[0]}; use numbers of 0 or more")
    return column


def _as_array(name: str, values: Any) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        missing = np.flatnonzero(np.ma.getmaskarray(values))[0]
        raise InvalidArgumentError(f"{name} has no number for sample {missing}: it is masked")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(f"{name} must be an array of numbers, one for each sample: {error}") from error
    if array.dtype.kind == "O" and array.ndim == 1 and all(map(_is_number, array)):
        return array.astype(np.float64)
    if array.dtype.kind in "iuf" or not array.size:
        return array
    raise ArgumentTypeError(f"{name} must be numbers, one for each sample, not {_kind(values, array)}")


def _is_number(value: object) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def _kind(values: Any, array: NDArray[Any]) -> str:
    if array.ndim == 0:
        return type(values).__name__
    odd = [value for value in array.reshape(-1)[:1000].tolist() if not _is_number(value)]
    return f"{type(odd[0]).__name__} such as {odd[0]!r:.50}" if odd else f"an array of {array.dtype}"


def _as_64_bits(array: NDArray[Any]) -> Costs:
    """A copy, so that the plan stays the same whatever becomes of what was given."""
    whole = array.dtype.kind in "iu" and (array.dtype != np.uint64 or not len(array) or array.max() < 1 << 63)
    column: Costs = array.astype(np.int64) if whole else array.astype(np.float64)
    column.flags.writeable = False
    return column


def _length(dataset: Any) -> int:
    if isinstance(dataset, Sized):
        return len(dataset)
    if lists_objects(dataset):
        return len(dataset.get_obj_list())
    raise ArgumentTypeError(f"data_source must be a dataset with a length, not {type(dataset).__name__}")


def _sizes_of_objects(objects: Sequence[Object]) -> Costs:
    sizes = getattr(objects, "sizes", None)
    if isinstance(sizes, np.ndarray) and (sizes >= 0).all():
        return sizes
    return np.array([_size_of(obj) for obj in objects], dtype=np.int64)


def _size_of(obj: Object) -> int:
    # Without a size in what was listed: one request, which the SDK makes.
    return int((obj.props_cached or obj.props).size)
