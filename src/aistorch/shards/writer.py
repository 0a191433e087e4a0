"""`ShardWriter`: samples in, TAR shards out, straight to a bucket."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from aistore.sdk import Bucket

from aistorch.config import MIB, RetryPolicy
from aistorch.errors import InvalidArgumentError, UnclosedWriterWarning
from aistorch.shards.destination import DEFAULT_PATTERN, Destination
from aistorch.shards.new_shard import NewShard, WrittenShard
from aistorch.shards.sample_files import Content, key_and_files, sample_files
from aistorch.shards.tar_write import member_size
from aistorch.shards.upload import MAX_PARTS, PART_SIZE

DEFAULT_MAX_SIZE = 256 * MIB


class ShardWriter:
    """Writes samples to TAR shards as `webdataset` and `AISShardReader` read them, with an index beside each.

        with ShardWriter("ais://bucket/train", client_url="http://host:8080") as writer:
            for key, image, label in samples:
                writer.write(key, {"jpg": image, "cls": label})

    A shard appears in the bucket once it is complete; it is sent while it is made, and some tens of megabytes are held
    in memory, whatever its size. The same samples make the same shards. Leaving the block by an exception leaves the
    unfinished shard out; those before it stay.

    Args:
        destination (Bucket | str): A bucket of the SDK, or a URL such as `ais://bucket/prefix`. The prefix is a folder:
            a slash is put behind it where it has none.
        prefix (str): The folder, where `destination` is a bucket.
        client_url (str): Endpoint for a URL; the environment variable `AIS_ENDPOINT` by default.
        pattern (str): Name of a shard, with a place for its number; ends in `.tar`.
        max_count (int): Samples in a shard, at most; None for any number.
        max_size (int): Bytes of a shard, at most; one sample that alone has more makes a shard of its own.
        index (bool): Store a `MemberIndex` beside each shard, as `<shard>.idx`.
        overwrite (bool): Replace objects that are there already; otherwise they are an error.
        retry (RetryPolicy): When a request is tried again. A part of a shard whose sending broke is not: AIStore cannot
            read an object of which a part was sent twice.

    Raises:
        InvalidArgumentError: An argument cannot be used; a `ValueError`, too.
        ArgumentTypeError: An argument is of a wrong type; a `TypeError`, too.
    """

    def __init__(
        self,
        destination: Bucket | str,
        *,
        prefix: str = "",
        client_url: str | None = None,
        pattern: str = DEFAULT_PATTERN,
        max_count: int | None = None,
        max_size: int = DEFAULT_MAX_SIZE,
        index: bool = True,
        overwrite: bool = False,
        retry: RetryPolicy | None = None,
    ) -> None:
        check_limits(max_count, max_size)
        self._destination = Destination.of(destination, prefix, pattern, client_url, type(self).__name__)
        self._max_count = max_count
        self._max_size = max_size
        self._index = index
        self._overwrite = overwrite
        self._retry = retry or RetryPolicy()
        self._shards: list[WrittenShard] = []
        self._open: NewShard | None = None
        self._unsaved: list[NewShard] = []  # the open one, for whom this writer is no more
        weakref.finalize(self, _complain, self._unsaved, os.getpid())
        self._keys: set[str] = set()  # of the open shard
        self._end = ""  # why nothing more can be written

    @property
    def shards(self) -> list[WrittenShard]:
        """What is complete: name, number of samples and bytes of each shard."""
        return list(self._shards)

    def write(self, key: str | Mapping[str, Any], files: Mapping[str, Content] | None = None) -> None:
        """Adds a sample.

        Args:
            key: What its files' names have in common, directories included; or the whole sample as one mapping, with
                the key under `__key__`, as webdataset has it.
            files: Contents by their extensions, e.g. `{"jpg": image, "cls": 3}`: bytes as they are, a str as UTF-8, an
                integer as decimal digits.

        Raises:
            InvalidArgumentError: Key or extension cannot be used, or the shard has the key already. Nothing was
                written, and other samples can be.
            ArgumentTypeError: A content is of another type. Nothing was written, and other samples can be.
            ObjectExistsError: The next shard is there already.
            WriteError: A shard could not be stored; it is given up, and no more can be written.
        """
        if self._end:
            raise InvalidArgumentError(f"ShardWriter {self._end}: no more samples can be written")
        if isinstance(key, Mapping):
            key, files = key_and_files(key)
        named = sample_files(key, files or {})
        if self._open is not None and not self._fits(self._open, named):
            self._finish()
        if key in self._keys:
            raise InvalidArgumentError(f"sample {key!r} is in this shard already: give each sample a key of its own")
        try:
            if self._open is None:
                self._open = self._begin()
                self._unsaved.append(self._open)
            self._open.add(named)
        except BaseException:
            self._give_up()
            raise
        self._keys.add(key)

    def close(self) -> None:
        """Completes the last shard; more calls do nothing.

        Raises:
            WriteError: It could not be stored.
        """
        if not self._end:
            self._finish()
            self._end = "is closed"

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._give_up()

    def _fits(self, shard: NewShard, files: list[tuple[str, bytes]]) -> bool:
        if self._max_count is not None and shard.samples >= self._max_count:
            return False
        return shard.size + sum(member_size(name, len(content)) for name, content in files) <= self._max_size

    def _begin(self) -> NewShard:
        destination, name = self._destination, self._destination.name(len(self._shards))
        if not self._shards:
            destination.check_bucket()
        if not self._overwrite:
            destination.check_absent(name)
        elif not self._index:
            destination.remove_index(name)
        return NewShard(destination.bucket, name, self._retry)

    def _finish(self) -> None:
        if self._open is None:
            return
        try:
            self._shards.append(self._open.finish(self._index))
        except BaseException:
            self._give_up()
            raise
        self._open = None
        self._unsaved.clear()
        self._keys.clear()

    def _give_up(self) -> None:
        if not self._end:
            self._end = "has given up"
        if self._open is not None:
            self._unsaved.clear()
            self._open.abort()
            self._open = None


def _complain(unsaved: list[NewShard], process: int) -> None:
    """Says what was lost with a writer that has not been closed; at the end of the program, too."""
    for shard in unsaved if process == os.getpid() else ():
        text = f"{shard.samples} samples of {shard.url} were not stored, since their ShardWriter was never closed"
        warnings.warn(f"{text}: use it in a with block, or call close()", UnclosedWriterWarning, stacklevel=2)


def check_limits(max_count: int | None, max_size: int) -> None:
    """See that shards can be so large.

    Raises:
        InvalidArgumentError: They cannot.
    """
    if max_count is not None and max_count < 1:
        raise InvalidArgumentError(f"max_count is {max_count}; a shard holds 1 sample or more")
    if not 1 <= max_size <= MAX_PARTS * PART_SIZE:
        raise InvalidArgumentError(f"max_size is {max_size} bytes; use 1 to {MAX_PARTS * PART_SIZE}")
