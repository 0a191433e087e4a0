"""Files to samples, by webdataset's rule: the name up to the first dot of its last part tells which sample it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from aistorch.errors import DuplicateMemberError, InvalidArgumentError, ScatteredSampleError
from aistorch.shards.tar_contents import Files
from aistorch.shards.zero_dict import ZeroDict

Group = Literal["adjacent", "shard"]
"""Where in a shard the files of a sample may stand."""

Sample = tuple[str, ZeroDict]
"""Key of a sample, and its files' contents by their extensions, in the order of the archive; of those it has alone."""


# Of memory, that a key takes which is remembered.
_KEY_BYTES = 128


def split_name(name: str) -> tuple[str, str] | None:
    """Key and extension of a file: what stands before and behind the first dot of its last part.

    `a/b.c/001.seg.png` is the file `seg.png` of the sample `a/b.c/001`. None is returned for a file that belongs to no
    sample: its last part has no dot, or begins with one (`.DS_Store`).
    """
    start = name.rfind("/") + 1
    dot = name.find(".", start)
    return (name[:dot], name[dot + 1 :]) if dot > start else None


def regular_keys(names: list[str], suffixes: Sequence[str]) -> list[str] | None:
    """The keys of samples of which each has files of the same extensions, in the same order.

    Args:
        names: Of the files of whole samples, side by side.
        suffixes: The extensions, each with the dot before it.

    Returns:
        None where the files are not so.
    """
    period, end = len(suffixes), -len(suffixes[0])
    keys = [name[:end] for name in names[::period]]
    for number, suffix in enumerate(suffixes):
        if names[number::period] != [key + suffix for key in keys]:
            return None
    text = "/".join(keys)
    # Without a folder it is seen at once that each of them is all that stands before a first dot.
    is_plain = "." not in text and text.count("/") == len(keys) - 1 and all(keys)
    return keys if is_plain or all(map(_is_key, keys)) else None


def _is_key(key: str) -> bool:
    last = key[key.rfind("/") + 1 :]
    return bool(last) and "." not in last


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
        self._samples: dict[str, ZeroDict] = {}  # "shard": all of them
        self._keys: set[str] = set()  # "adjacent": of all samples so far
        self._open: list[Sample] = []  # "adjacent": the sample that may go on
        self._held = 0  # "shard": bytes of all contents

    @property
    def held(self) -> int:
        """Bytes that are kept for samples which are not complete, and to know which there have been."""
        own = sum(map(len, self._open[0][1].values())) if self._open else 0
        return self._held + own + _KEY_BYTES * len(self._keys)

    @property
    def latest(self) -> str:
        """The name of the last file of the sample that is not complete; "" where there is none."""
        key, files = self._open[0] if self._open else next(reversed(self._samples.items()), ("", {}))
        return f"{key}.{next(reversed(files))}" if files else ""

    def feed(self, members: Files) -> list[Sample]:
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
                files = self._samples.setdefault(split[0], ZeroDict.empty())
                if split[1] in files:
                    raise DuplicateMemberError(self.shard, name, offset)
                files[split[1]] = content
                self._held += len(content)
        return []

    def close(self) -> list[Sample]:
        """The samples that are complete now that no more files follow."""
        samples = self._open or list(self._samples.items())
        self._open, self._samples, self._held = [], {}, 0
        return samples

    def _feed_adjacent(self, members: Files) -> list[Sample]:
        samples = self._open
        key, files = samples[-1] if samples else ("", ZeroDict.empty())
        prefix: str | tuple[()] = key + "." if key else ()  # no name starts with ()
        names, contents, offsets = members.names, members.contents, members.offsets
        at, tried = 0, False
        while at < len(names):
            name = names[at]
            # The next file of the same sample is told by one comparison.
            if name.startswith(prefix) and "/" not in (extension := name[len(prefix) :]):
                if extension in files:
                    raise DuplicateMemberError(self.shard, name, offsets[at])
                files[extension] = contents[at]
                at += 1
                continue
            if files and not tried:  # most often all that follow are made as the last one is
                tried = True
                if regular := self._take_regular(names[at:], contents[at:], list(files)):
                    samples += regular
                    at += len(regular) * len(files)
                    key, files = samples[-1]
                    prefix = key + "."
                    continue
            at += 1
            key, dot, extension = name.partition(".")
            if not dot or "/" in extension or not key or key[-1] == "/":
                split = split_name(name)
                if split is None:
                    continue
                key, extension = split
            if key in self._keys:
                raise self._scattered(key, name, offsets[at - 1])
            self._keys.add(key)
            prefix, files = key + ".", ZeroDict.empty()
            files[extension] = contents[at - 1]
            samples.append((key, files))
        self._open = samples[-1:]
        return samples[:-1]

    def _take_regular(self, names: list[str], contents: list[bytes], extensions: list[str]) -> list[Sample]:
        """The samples of all these files but the last few, if each has these extensions; else none."""
        period = len(extensions)
        whole = len(names) // period * period
        keys = regular_keys(names[:whole], ["." + extension for extension in extensions])
        if not keys or len(new := set(keys)) < len(keys) or not new.isdisjoint(self._keys):
            return []
        self._keys |= new
        samples = [ZeroDict.empty() for _ in keys]
        for number, extension in enumerate(extensions):
            for files, content in zip(samples, contents[number:whole:period], strict=True):
                files[extension] = content
        return list(zip(keys, samples, strict=True))

    def _scattered(self, key: str, name: str, offset: int) -> ScatteredSampleError:
        problem = f"sample {key!r} began further ahead, with others between; read this shard with group='shard'"
        return ScatteredSampleError(self.shard, name, offset, problem)
