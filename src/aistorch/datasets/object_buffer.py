"""An object's content in the form that `AISParallelMapDataset` yields it in."""

from __future__ import annotations

import contextlib
from typing import Any

from aistore.sdk.obj.content_iterator import ParallelBuffer


class ObjectBuffer(ParallelBuffer):
    """An object's content, to be used like the SDK's `ParallelBuffer`: `buf`, `tobytes()`, `len()`, `close()`, `with`.

    It lies in ordinary memory, so that nothing is left over where nobody closes it; it can be pickled, it goes through
    torch's `default_collate`, and what was made of `buf` stays valid after `close()`.

    Args:
        name: The object's name.
        content: All of it; not copied.
    """

    def __init__(self, name: str, content: bytes) -> None:
        # Not the SDK's constructor, which wants shared memory.
        self._name = name
        self._content: bytes | None = content
        self._size = len(content)

    @property
    def buf(self) -> memoryview:
        """The content, not copied; cannot be written to.

        Raises:
            ValueError: The buffer has been closed.
        """
        return memoryview(self.tobytes())

    @property
    def name(self) -> str:
        """The object's name."""
        return self._name

    def tobytes(self) -> bytes:
        """The content, not copied.

        Raises:
            ValueError: The buffer has been closed.
        """
        if self._content is None:
            raise ValueError(f"the buffer of {self._name} has been closed")
        return self._content

    def close(self) -> None:
        """Gives the memory free, unless something that was made of it is still in use."""
        self._content = None

    __bytes__ = tobytes

    def __enter__(self) -> ObjectBuffer:
        return self

    def __buffer__(self, flags: int) -> memoryview:  # Python 3.12 and newer
        return self.buf

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._name!r}, {self._size} bytes>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._name, self.tobytes())


def _collate(batch: list[ObjectBuffer], *, collate_fn_map: Any = None) -> list[ObjectBuffer]:  # noqa: ARG001
    return batch


with contextlib.suppress(ImportError):
    from torch.utils.data._utils.collate import default_collate_fn_map

    default_collate_fn_map[ObjectBuffer] = _collate
