"""What `aistorch shard` does: many small files packed into shards."""

from __future__ import annotations

import logging
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import xxhash

from aistorch.config import RetryPolicy
from aistorch.errors import InvalidArgumentError, ObjectExistsError, WriteError
from aistorch.index.listing import list_pages
from aistorch.progress import Progress
from aistorch.shards.destination import Destination
from aistorch.shards.member_index import INDEX_SUFFIX
from aistorch.shards.new_shard import NewShard, WrittenShard
from aistorch.shards.pack_plan import Plan, PlannedShard
from aistorch.shards.pack_source import PackSource, some
from aistorch.sources.resolve import Selection, describe

ATTEMPTS = 3
"""How often a shard is written before its failure ends the run; its files can be read again, other than in a stream."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Packed:
    """What came of a run.

    Attributes:
        shards: What was written.
        checksums: The xxh64 of each file of the source, by position, as it was read.
    """

    shards: Sequence[WrittenShard]
    checksums: Sequence[int]


def check_destination(source: PackSource, plan: Plan, destination: Destination, overwrite: bool) -> list[str]:
    """See that the shards can be written; returns the names of other objects that are there already.

    Raises:
        ObjectExistsError: A shard is there already, and `overwrite` was not asked for.
        InvalidArgumentError: The destination is a part of the source.
        ServerError: The bucket is not there.
    """
    if _is_within(destination, source.selection):
        raise InvalidArgumentError(
            f"the destination {destination} is part of the source: the next run would pack its shards; choose another"
        )
    destination.check_bucket()
    wanted = {name for shard in plan.shards for name in (shard.name, shard.name + INDEX_SUFFIX)}
    present = [
        name for page in list_pages(Selection(destination.bucket, destination.folder), 0) for name in page.names()
    ]
    in_the_way = [name for name in present if name in wanted]
    if in_the_way and not overwrite:
        raise ObjectExistsError(
            f"objects that would be written are in {describe(destination.bucket)} already: {some(in_the_way)}; "
            "choose another prefix, or replace them by --overwrite"
        )
    return [name for name in present if name not in wanted]


def _is_within(destination: Destination, selection: Selection | None) -> bool:
    if selection is None or describe(selection.source) != describe(destination.bucket):
        return False
    return destination.folder.startswith(selection.prefix)


def pack(
    source: PackSource, plan: Plan, destination: Destination, progress: Progress, retry: RetryPolicy | None = None
) -> Packed:
    """Write all shards of a plan; those that are complete stay, whatever happens to later ones.

    Raises:
        WriteError: A shard could not be stored, however often it was tried.
        ReadError: A file could not be read.
    """
    checksums = array("Q", bytes(8 * len(source.names)))
    policy = retry or RetryPolicy()
    shards = [_write_patiently(source, shard, destination, checksums, progress, policy) for shard in plan.shards]
    return Packed(shards, checksums)


def _write_patiently(
    source: PackSource,
    shard: PlannedShard,
    destination: Destination,
    checksums: array[int],
    progress: Progress,
    retry: RetryPolicy,
) -> WrittenShard:
    for attempt in range(1, ATTEMPTS):
        new = NewShard(destination.bucket, shard.name, retry)
        try:
            return _write(new, source, shard, checksums, progress)
        except WriteError as error:
            if 400 <= error.status_code < 500:
                raise
            logger.warning("%s; attempt %d of %d", error, attempt, ATTEMPTS)
            time.sleep(retry.delay(attempt))
    return _write(NewShard(destination.bucket, shard.name, retry), source, shard, checksums, progress)


def _write(
    new: NewShard, source: PackSource, shard: PlannedShard, checksums: array[int], progress: Progress
) -> WrittenShard:
    counted = 0
    try:
        contents = source.read(shard.positions)
        for sample in shard.samples:
            files = list(zip((source.names[position] for position in sample), contents, strict=False))
            for position, (_, content) in zip(sample, files, strict=True):
                checksums[position] = xxhash.xxh64_intdigest(content)
            new.add(files)
            size = sum(len(content) for _, content in files)
            counted += size
            progress.update(size)
        return new.finish(index=True)
    except BaseException:
        progress.update(-counted, -new.samples)
        new.abort()
        raise
