"""One shard while it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aistore.sdk import Bucket

from aistorch.config import RetryPolicy
from aistorch.shards.member_index import INDEX_SUFFIX, MemberIndex
from aistorch.shards.tar_write import END, member_head, padding
from aistorch.shards.upload import Upload


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A shard that is in its bucket.

    Attributes:
        name: Of the object.
        samples: How many it holds.
        size: Bytes.
    """

    name: str
    samples: int
    size: int


class NewShard:
    """A TAR archive that appears in its bucket when it is finished.

    Args:
        bucket: Where it will be.
        name: The object's name.
        retry: When a request is tried again.
    """

    def __init__(self, bucket: Bucket, name: str, retry: RetryPolicy) -> None:
        self.name = name
        self.samples = 0
        self._bucket = bucket
        self._retry = retry
        self._upload = Upload(bucket, name, retry)
        self._entries: list[tuple[str, int, int]] = []

    @property
    def url(self) -> str:
        """The shard for messages."""
        return self._upload.url

    @property
    def size(self) -> int:
        """Bytes it would have if it were finished now."""
        return self._upload.size + len(END)

    def add(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Adds a sample: names and contents of its files.

        Raises:
            WriteError: The shard could not be stored; only `abort` is of use then.
        """
        upload = self._upload
        for name, content in files:
            upload.write(member_head(name, len(content)))
            self._entries.append((name, upload.size, len(content)))
            upload.write(content)
            upload.write(bytes(padding(len(content))))
        self.samples += 1

    def finish(self, index: bool) -> WrittenShard:
        """Stores what is left, then the index beside it where one is wanted.

        Raises:
            WriteError: One of them could not be stored.
        """
        self._upload.write(END)
        checksum = self._upload.finish()
        size = self._upload.size
        if index:
            beside = Upload(self._bucket, self.name + INDEX_SUFFIX, self._retry)
            beside.write(MemberIndex.from_entries(self._entries, size, checksum, self.url).to_bytes())
            beside.finish()
        return WrittenShard(self.name, self.samples, size)

    def abort(self) -> None:
        """Forgets what was written; the bucket stays as it was before."""
        self._upload.abort()
