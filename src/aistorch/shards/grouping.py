"""Files to samples, by webdataset's rule: the name up to the first dot of its last part tells which sample it is of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from aistorch.errors import DuplicateMemberError, InvalidArgumentError, ScatteredSampleError
from aistorch.shards.tar_contents import File

Group = Literal["adjacent", "shard"]
"""Where in a shard the files of a sample may stand."""

Sample = tuple[str, dict[str, bytes]]
"""Key of a sample, and its files' contents by their extensions, in the order of the archive."""


def split_name(name: str) -> tuple[str, str] | None:
    """Key and extension of a file: what stands before and behind the first dot of its last part.

    `a/b.c/001.seg.png` is the file `seg.png` of the sample `a/b.c/001`. None is returned for a file that belongs to no
    sample: its last part has no dot, or begins with one (`.DS_Store`).
    """
    start = name.rfind("/") + 1
    dot = name.find(".", start)
    return (name[:dot], name[dot + 1 :]) if dot > start else None


class Grouper:
    """The files of one shard in, its samples out.

    Args:
        shard: Name of the shard, for errors.
        group: "adjacent": the files of a sample stand side by side. "shard": they may stand anywhere in the shard;
            all of it is held until its end, and samples come in the order of their first files.

    Raises:
        InvalidArgumentError: `group` is neither.
    """

    def __init__(self, shard: str, group: Group = "adjacent") -> None:
        if group not in ("adjacent", "shard"):
            raise InvalidArgumentError(f"group is {group!r}; use 'adjacent' or 'shard'")
        self.shard = shard
        self._adjacent = group == "adjacent"
        self._samples: dict[str, dict[str, bytes]] = {}  # "shard": all of them
        self._keys: set[str] = set()  # "adjacent": of all samples so far
        self._open: list[Sample] = []  # "adjacent": the sample that may go on

    def feed(self, members: Iterable[File]) -> list[Sample]:
        """The samples that are complete: a sample is, once another one begins.

        Files that belong to no sample are left out, and divide none.

        Raises:
            ScatteredSampleError: A sample goes on after another one has begun, though `group` is "adjacent".
            DuplicateMemberError: A sample has two files of the same name.
        """
        if self._adjacent:
            return self._feed_adjacent(members)
        for name, content, offset in members:
            split = split_name(name)
            if split is not None:
                files = self._samples.setdefault(split[0], {})
                if split[1] in files:
                    raise DuplicateMemberError(self.shard, name, offset)
                files[split[1]] = content
        return []

    def close(self) -> list[Sample]:
        """The samples that are complete now that no more files follow."""
        samples = self._open or list(self._samples.items())
        self._open, self._samples = [], {}
        return samples

    def _feed_adjacent(self, members: Iterable[File]) -> list[Sample]:
        samples = self._open
        key, files = samples[-1] if samples else ("", {})
        prefix: str | tuple[()] = key + "." if key else ()  # no name starts with ()
        for name, content, offset in members:
            # The next file of the same sample is told by one comparison.
            if name.startswith(prefix) and "/" not in (extension := name[len(prefix) :]):
                if extension in files:
                    raise DuplicateMemberError(self.shard, name, offset)
                files[extension] = content
                continue
            key, dot, extension = name.partition(".")
            if not dot or "/" in extension or not key or key[-1] == "/":
                split = split_name(name)
                if split is None:
                    continue
                key, extension = split
            if key in self._keys:
                raise self._scattered(key, name, offset)
            self._keys.add(key)
            prefix, files = key + ".", {extension: content}
            samples.append((key, files))
        self._open = samples[-1:]
        return samples[:-1]

    def _scattered(self, key: str, name: str, offset: int) -> ScatteredSampleError:
        problem = f"sample {key!r} began further ahead, with others between; read this shard with group='shard'"
        return ScatteredSampleError(self.shard, name, offset, problem)
