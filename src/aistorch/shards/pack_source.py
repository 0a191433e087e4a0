"""What shards are packed of: the files of a folder, or the objects of a bucket.

Files are known by their position in `names`; `sizes` are their bytes as listed, `left_out` is what is there and cannot
be packed, a line a kind, and `selection` the part of a bucket that they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from aistore.sdk import Client

from aistorch.config import ReadConfig
from aistorch.errors import InvalidArgumentError, ReadError
from aistorch.index.listing import PAGE_SIZE, list_pages
from aistorch.index.object_index import ObjectIndex
from aistorch.sources.resolve import Selection, endpoint
from aistorch.sources.url import parse_url


class FolderSource:
    """All files below a folder.

    Args:
        folder: Links to files in it are followed, links to other folders are not.
    """

    selection: Selection | None = None

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InvalidArgumentError(f"{folder} is no folder: give a folder, or a URL such as 'ais://bucket/prefix'")
        self._folder = folder
        self.names: list[str] = []
        self.sizes: list[int] = []
        self._links: list[str] = []
        self._special: list[str] = []
        self._scan("")

    @property
    def left_out(self) -> list[str]:
        """What is neither a file nor a folder, a line a kind."""
        kinds = {"link to a folder": self._links, "neither file nor folder": self._special}
        return [f"{kind}: {some(names)}" for kind, names in kinds.items() if names]

    def read(self, positions: Sequence[int]) -> Iterator[bytes]:
        """The contents of these files, in this order.

        Raises:
            ReadError: One cannot be read, or is no longer what was listed.
        """
        for position in positions:
            path = os.path.join(self._folder, self.names[position])
            try:
                with open(path, "rb", buffering=0) as file:
                    content = file.read()
            except OSError as error:
                raise ReadError(path, 1, [str(error.strerror)]) from error
            if len(content) != self.sizes[position]:
                listed = self.sizes[position]
                raise ReadError(path, 1, [f"it had {listed} bytes when it was listed, and has {len(content)} now"])
            yield content

    def _scan(self, within: str) -> None:
        try:
            with os.scandir(self._folder / within) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise ReadError(str(self._folder / within), 1, [str(error.strerror)]) from error
        for entry in entries:
            name = within + entry.name
            if entry.is_dir(follow_symlinks=False):
                self._scan(f"{name}/")
            elif entry.is_dir():
                self._links.append(name)
            elif entry.is_file():
                self.names.append(name)
                self.sizes.append(entry.stat().st_size)
            else:
                self._special.append(name)


class BucketSource:
    """The objects of a bucket whose names begin with a prefix; in shards they are named from its last slash on.

    Args:
        url: `ais://bucket/prefix`.
        client_url: Endpoint; the environment variable `AIS_ENDPOINT` by default.
    """

    left_out: Sequence[str] = ()

    def __init__(self, url: str, client_url: str | None) -> None:
        parsed = parse_url(url)
        self.selection = Selection(parsed.bucket(Client(endpoint(client_url, "aistorch shard"))), parsed.prefix)
        self._index = ObjectIndex.concat(list(list_pages(self.selection, 0)))
        folder = len(parsed.prefix.rpartition("/")[0]) + 1 if "/" in parsed.prefix else 0
        self.names = [name[folder:] for name in self._index.names()]
        self.sizes: list[int] = self._index.sizes.tolist()

    def read(self, positions: Sequence[int]) -> Iterator[bytes]:
        """The contents of these objects, in this order.

        Raises:
            ReadError: One cannot be read, or is no longer what was listed.
        """
        from aistorch.fetch.reader import Reader  # and with it torch, for which nothing else here has to wait

        reader = Reader([self.selection.source], ReadConfig())
        chosen = np.array(positions, dtype=np.int64)
        pages = (self._index.take(chosen[start : start + PAGE_SIZE]) for start in range(0, len(chosen), PAGE_SIZE))
        for run in reader.stream(pages):
            for _, content in run:
                yield content


PackSource: TypeAlias = FolderSource | BucketSource


def pack_source(source: str, client_url: str | None) -> PackSource:
    """The source that is meant: a URL (`ais://bucket/prefix`) or a path.

    Raises:
        InvalidArgumentError: There is no such folder, or the URL cannot be understood.
        AIStorchError: The bucket cannot be listed.
    """
    return BucketSource(source, client_url) if "://" in source else FolderSource(Path(source))


def some(names: Sequence[str], count: int = 3) -> str:
    """The first few names and how many more there are, for messages."""
    shown = ", ".join(repr(name) for name in names[:count])
    return f"{shown} and {len(names) - count:,} more" if len(names) > count else shown
