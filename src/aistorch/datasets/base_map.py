"""The base class for map-style datasets of one's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from aistore.sdk.obj.object import Object
from torch.utils.data import Dataset

from aistorch.datasets.objects import ObjectSequence
from aistorch.errors import InvalidArgumentError
from aistorch.index.build import build_index, check_index
from aistorch.index.object_index import ObjectIndex
from aistorch.progress import Progress
from aistorch.sources.resolve import PrefixMap, SourceList, resolve_sources


class AISBaseMapDataset(ABC, Dataset[Any]):
    """Lists objects once, when it is made; a subclass says in `__getitem__` what a sample is.

    Holds an index of 50 to 100 bytes an object, and no connection: it can be pickled at any time, and DataLoader
    workers share the index.

    Args:
        ais_source_list (AISSource | list[AISSource]): Buckets, object groups or any other source, read in this order.
        prefix_map (dict[AISSource, str | list[str]]): The prefixes wanted of a source; one without an entry, or with
            None, is wanted whole.
        client_url (str): Endpoint for `urls_list`; the environment variable `AIS_ENDPOINT` by default.
        urls_list (str | list[str]): Sources as URLs, `ais://bucket/prefix`, of any provider; they come before
            `ais_source_list`.
        show_progress (bool): Show a progress bar while listing.
        index (ObjectIndex): What an earlier dataset of the same sources and prefixes has listed, or a part of it, such
            as `ObjectIndex.load(path)`; nothing is listed then.

    Raises:
        InvalidArgumentError: An argument cannot be used; a `ValueError`, too.
        ArgumentTypeError: An argument is of a wrong type; a `TypeError`, too.
        BucketNotFoundError: A bucket does not exist.
        EndpointUnreachableError: Nothing answers at the endpoint.
    """

    def __init__(
        self,
        ais_source_list: SourceList | None = None,
        prefix_map: PrefixMap | None = None,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        show_progress: bool = False,
        index: ObjectIndex | None = None,
    ) -> None:
        owner = type(self).__name__
        found = resolve_sources(ais_source_list, prefix_map, client_url=client_url, urls_list=urls_list, owner=owner)
        self._ais_source_list = found.sources
        self._prefix_map = found.prefix_map
        self._selections = found.selections()
        self._chosen: Sequence[Object] | None = None
        if index is not None:
            check_index(index, self._selections, owner)
        if type(self)._create_objects_list is not _OWN_HOOK:
            if index is not None:
                raise InvalidArgumentError(f"{owner} chooses its objects itself: leave index out")
            self._index = ObjectIndex.from_names([])
            self._chosen = self._create_objects_list()
            return
        if index is not None:
            self._index = index
            return
        with Progress(show_progress, f"{owner}: listing") as progress:
            self._index = build_index(self._selections, progress=progress)

    @property
    def index(self) -> ObjectIndex:
        """What was listed: names, sizes, checksums and places of all objects, in columns."""
        return self._index

    def fingerprint(self) -> str:
        """What tells whether these are the objects that they were (`ObjectIndex.fingerprint`)."""
        if self._chosen is None:
            return self._index.fingerprint()
        return ObjectIndex.from_names([obj.name for obj in self._chosen]).fingerprint()

    def get_obj_list(self) -> Sequence[Object]:
        """All objects, in order, as SDK objects, each made when it is asked for.

        Returns:
            Sequence[Object]: As long as the dataset; nothing is stored in it.
        """
        if self._chosen is not None:
            return self._chosen
        return ObjectSequence(self._index, [selection.source for selection in self._selections])

    def _create_objects_list(self) -> Sequence[Object]:
        """All objects of all sources. A subclass that replaces it chooses objects itself."""
        return ObjectSequence(build_index(self._selections), [selection.source for selection in self._selections])

    @property
    def _obj_list(self) -> Sequence[Object]:
        # The name that subclasses written for the SDK's plugin use, and by which they choose objects of their own.
        return self.get_obj_list()

    @_obj_list.setter
    def _obj_list(self, objects: Sequence[Object]) -> None:
        self._chosen = objects

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._index) if self._chosen is None else len(self._chosen)

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """The sample made of object `index`."""

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """The samples of a batch; a subclass may have a faster way than one after another."""
        return [self[index] for index in indices]


# As it is here: tests written for the SDK's plugin replace it in the class itself.
_OWN_HOOK = AISBaseMapDataset._create_objects_list
