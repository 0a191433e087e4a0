"""Which files go into which shard: decided before anything is read, from names and sizes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aistorch.errors import InvalidArgumentError
from aistorch.order.permutation import epoch_permutation
from aistorch.shards.destination import Destination
from aistorch.shards.grouping import split_name
from aistorch.shards.pack_source import PackSource, some
from aistorch.shards.sample_files import check_key
from aistorch.shards.tar_write import END, member_size
from aistorch.shards.writer import check_limits


@dataclass(frozen=True)
class PlannedShard:
    """A shard to be written.

    Attributes:
        name: Of the object.
        samples: Positions of the files of each sample, in the source.
        size: Bytes it will have.
    """

    name: str
    samples: Sequence[Sequence[int]]
    size: int

    @property
    def positions(self) -> list[int]:
        """Of all files, in the order of the shard."""
        return [position for sample in self.samples for position in sample]


@dataclass(frozen=True)
class Plan:
    """All shards of a run.

    Attributes:
        shards: In order.
        left_out: What of the source is in none of them, a line a kind.
    """

    shards: Sequence[PlannedShard]
    left_out: Sequence[str]

    @property
    def samples(self) -> int:
        """How many there are in all."""
        return sum(len(shard.samples) for shard in self.shards)

    @property
    def files(self) -> int:
        """How many there are in all."""
        return sum(len(sample) for shard in self.shards for sample in shard.samples)

    @property
    def size(self) -> int:
        """Bytes of all shards."""
        return sum(shard.size for shard in self.shards)


def plan_shards(
    source: PackSource, destination: Destination, max_count: int | None, max_size: int, seed: int | None
) -> Plan:
    """Group files to samples, and samples to shards.

    Args:
        source: The files.
        destination: Names the shards.
        max_count: Samples in a shard, at most; None for any number.
        max_size: Bytes of a shard, at most; one larger sample makes a shard of its own.
        seed: Of a shuffle of the samples; None leaves them in the order of their keys.

    Raises:
        InvalidArgumentError: There is nothing to pack, a name cannot be one in a shard, or the limits cannot be used.
    """
    check_limits(max_count, max_size)
    samples, without_extension = _samples(source.names)
    left_out = list(source.left_out)
    if without_extension:
        left_out.append(f"without an extension: {some(without_extension)}")
    if not samples:
        reason = f" ({'; '.join(left_out)})" if left_out else ""
        raise InvalidArgumentError(f"there is nothing to pack: the source has no files with an extension{reason}")
    if seed is not None:
        order = epoch_permutation(len(samples), seed, 0)(np.arange(len(samples)))
        samples = [samples[position] for position in order.tolist()]
    return Plan(_cut(samples, source, destination, max_count, max_size), left_out)


def _samples(names: Sequence[str]) -> tuple[list[list[int]], list[str]]:
    """The files of each sample, by the order of keys and names; and the names of files that belong to none."""
    found: dict[str, list[int]] = {}
    without_extension = []
    for position in sorted(range(len(names)), key=names.__getitem__):
        split = split_name(names[position])
        if split is None or not split[1]:
            without_extension.append(names[position])
        else:
            found.setdefault(split[0], []).append(position)
    for key in found:
        check_key(key)
    return [found[key] for key in sorted(found)], without_extension


def _cut(
    samples: list[list[int]], source: PackSource, destination: Destination, max_count: int | None, max_size: int
) -> list[PlannedShard]:
    shards: list[PlannedShard] = []
    first, size = 0, len(END)
    for number, sample in enumerate(samples):
        added = sum(member_size(source.names[position], source.sizes[position]) for position in sample)
        full = size + added > max_size or number - first == max_count
        if full and number > first:
            shards.append(PlannedShard(destination.name(len(shards)), samples[first:number], size))
            first, size = number, len(END)
        size += added
    return [*shards, PlannedShard(destination.name(len(shards)), samples[first:], size)]
