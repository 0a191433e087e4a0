"""An object's content as the file that a DataPipe yields."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from aistorch.datasets.datapipes import StreamWrapper


class ObjectStream(StreamWrapper):
    """An object's content, to be read like a file: all that `io.BytesIO` can do, in torch's `StreamWrapper`.

    What follows a loader in a graph of DataPipes goes by that class (`.load_from_tar()`, `.read_from_stream()`, ...).
    It can be pickled, and used in a `with` block.

    Args:
        url: Of the object; shown by `repr`.
        content: All of it.
    """

    # In a copy that comes from a worker torch's class restores nothing but the file.
    child_counter = 0
    close_on_last_child = False
    parent_stream: Any = None
    name: Any = None
    closed = False

    def __init__(self, url: str, content: bytes) -> None:
        super().__init__(BytesIO(content), name=url)

    def __enter__(self) -> ObjectStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
