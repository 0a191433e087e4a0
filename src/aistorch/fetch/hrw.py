"""Which target an object belongs to: AIStore's highest random weight, for many objects at once.

Needed where the listing could not tell: object groups, and objects of a cloud bucket that are not cached yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import xxhash
from aistore.sdk.const import XX_HASH_SEED
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTOR_1 = np.uint64(0xBF58476D1CE4E5B9)
_FACTOR_2 = np.uint64(0x94D049BB133111EB)


class Placement:
    """Assigns objects to the targets of one cluster map.

    Args:
        digests: By daemon id, the `id_digest` of each target that takes part.
    """

    def __init__(self, digests: Mapping[str, int]) -> None:
        self._targets = list(digests)
        self._digests = np.array([digests[target] for target in self._targets], dtype=np.uint64)

    def targets_of(self, unames: Iterable[bytes]) -> list[str | None]:
        """The daemon id for each object, named `provider/@uuid#namespace/bucket/name`; None without any target."""
        objects = np.fromiter((xxhash.xxh64_intdigest(uname, XX_HASH_SEED) for uname in unames), dtype=np.uint64)
        if not self._targets:
            return [None] * len(objects)
        weights = _weight(objects[:, None] ^ self._digests[None, :])
        return [self._targets[best] for best in weights.argmax(axis=1).tolist()]


def _weight(seeds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """AIStore's one-step xoshiro256** of a splitmix64 seed; arithmetic modulo 2**64, as in the server."""
    with np.errstate(over="ignore"):
        z = _mix(seeds + _GOLDEN) + _GOLDEN
        z = _mix(z) * np.uint64(5)
        rotated = (z << np.uint64(7)) | (z >> np.uint64(57))
        weight: NDArray[np.uint64] = rotated * np.uint64(9)
        return weight


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * _FACTOR_1
    z = (z ^ (z >> np.uint64(27))) * _FACTOR_2
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed
