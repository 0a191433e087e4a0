"""A shuffle of any number of positions that is computed, not stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aistorch.errors import InvalidArgumentError, SampleIndexError

# Half of the bits fit 32, with which numpy computes twice as fast as with 64.
MAX_COUNT = 1 << 62
_ROUNDS = 8
# Of a few bits a round mixes little; with 8 rounds some orders of 5 come 10 % more often than others, with 16 none.
_FEW, _ROUNDS_OF_FEW = 1024, 24
# Intermediate results of this many positions stay in a core's cache.
_BLOCK = 1 << 14
# The finalizer of MurmurHash3 (32 bits): every bit of what goes in changes every bit of what comes out.
_FACTOR_1, _FACTOR_2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_SHIFT_1, _SHIFT_2 = np.uint32(13), np.uint32(16)


def epoch_permutation(count: int, seed: int, epoch: int) -> Permutation:
    """The shuffle of one epoch: the same on every machine, with every version of numpy.

    Args:
        count: How many positions there are, up to 2**62.
        seed: Any whole number.
        epoch: Any whole number.

    Raises:
        InvalidArgumentError: There can be no such number of positions.
    """
    rounds = _ROUNDS_OF_FEW if count <= _FEW else _ROUNDS
    digest = hashlib.shake_128(f"{seed}/{epoch}".encode()).digest(8 * rounds)
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return Permutation(count, tuple(zip(words[::2], words[1::2], strict=True)))


@dataclass(frozen=True)
class Permutation:
    """A bijection of 0 ... count-1 onto itself: a Feistel network over as few bits as hold `count`.

    What the network sends beyond `count` is sent through it again until it comes back (cycle walking), so the
    whole stays a bijection; fewer than half of the positions need that.

    Attributes:
        count: How many positions there are.
        keys: Two words of 32 bits a round.
    """

    count: int
    keys: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not 0 <= self.count <= MAX_COUNT:
            raise InvalidArgumentError(f"a permutation of {self.count} positions: between 0 and 2**62 are possible")

    def __call__(self, positions: ArrayLike) -> NDArray[np.int64]:
        """Which value stands at each of these positions.

        Raises:
            SampleIndexError: A position lies outside.
        """
        return self._map(positions, forward=True)

    def inverse(self, values: ArrayLike) -> NDArray[np.int64]:
        """At which position each of these values stands.

        Raises:
            SampleIndexError: A value lies outside.
        """
        return self._map(values, forward=False)

    def _map(self, numbers: ArrayLike, *, forward: bool) -> NDArray[np.int64]:
        given = np.asarray(numbers, dtype=np.int64)
        flat = given.reshape(-1)
        if len(flat):
            self._check(int(flat.min()))
            self._check(int(flat.max()))
        mapped = self._pass(flat, forward)
        outside = np.flatnonzero(mapped >= self.count)
        while len(outside):
            mapped[outside] = again = self._pass(mapped[outside], forward)
            outside = outside[again >= self.count]
        return mapped.reshape(given.shape)

    def _check(self, number: int) -> None:
        if not 0 <= number < self.count:
            raise SampleIndexError(f"position {number} is outside a permutation of {self.count}")

    def _pass(self, numbers: NDArray[np.int64], forward: bool) -> NDArray[np.int64]:
        """Once through the network."""
        mapped = np.empty_like(numbers)
        for first in range(0, len(numbers), _BLOCK):
            part = slice(first, first + _BLOCK)
            mapped[part] = self._network(numbers[part], forward)
        return mapped

    def _network(self, numbers: NDArray[np.int64], forward: bool) -> NDArray[np.int64]:
        """Each round adds a keyed hash of one part of the bits to the other part, in turn."""
        low_bits = ((self.count - 1).bit_length() + 1) // 2
        high_bits = (self.count - 1).bit_length() - low_bits
        parts = [(numbers >> low_bits).astype(np.uint32), (numbers & ((1 << low_bits) - 1)).astype(np.uint32)]
        masks = [np.uint32((1 << high_bits) - 1), np.uint32((1 << low_bits) - 1)]
        rounds = list(enumerate(self.keys))
        for number, keys in rounds if forward else reversed(rounds):
            changed = number % 2
            hashed = _hash(parts[1 - changed], *keys)
            hashed &= masks[changed]
            parts[changed] ^= hashed
        return (parts[0].astype(np.int64) << low_bits) | parts[1]


def _hash(part: NDArray[np.uint32], key: int, other_key: int) -> NDArray[np.uint32]:
    hashed: NDArray[np.uint32] = part ^ np.uint32(key)
    hashed *= _FACTOR_1
    hashed ^= hashed >> _SHIFT_1
    hashed += np.uint32(other_key)
    hashed *= _FACTOR_2
    hashed ^= hashed >> _SHIFT_2
    return hashed
