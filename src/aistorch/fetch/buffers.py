"""Memory that a reply's body is received into."""

from __future__ import annotations

import ctypes
import mmap
from typing import cast

_new = ctypes.pythonapi.PyBytes_FromStringAndSize
_new.argtypes, _new.restype = [ctypes.c_void_p, ctypes.c_ssize_t], ctypes.py_object
_address = ctypes.pythonapi.PyBytes_AsString
_address.argtypes, _address.restype = [ctypes.py_object], ctypes.c_void_p
_view = ctypes.pythonapi.PyMemoryView_FromMemory
_view.argtypes, _view.restype = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int], ctypes.py_object
_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_POPULATE", 0)  # the last one is Linux's
_WRITABLE = 0x200  # PyBUF_WRITE of the C API


def new_body(size: int) -> tuple[bytes, memoryview]:
    """A `bytes` object of `size` bytes that is still to be filled, and the view to fill it through.

    What users get is `bytes`, and a socket can only write into something mutable: without this, each large object would
    be copied once more. The C API allows precisely this: an object just made by `PyBytes_FromStringAndSize(NULL, n)`
    may be written to until somebody else sees it (https://docs.python.org/3/c-api/bytes.html#c.PyBytes_AsString).

    The view does not keep the object alive: hold on to both, and drop the view before the object is handed out.
    """
    body: bytes = _new(None, size)
    view: memoryview = _view(_address(body), size, _WRITABLE)
    return body, view


class _Memory(mmap.mmap):
    """Memory of a pool. A slice of it is `bytes`, made in half the time that a slice of a view takes."""


def sliced_to_bytes(content: bytes | memoryview) -> bytes:
    """Something with the same bytes, of which each slice within its length is `bytes`; it may be longer.

    A pool's memory is given as it is, any other view is copied.
    """
    if isinstance(content, bytes):
        return content
    # Views of a pool's memory begin where it begins.
    return cast(bytes, content.obj) if isinstance(content.obj, _Memory) else bytes(content)


class BufferPool:
    """Memory that is used again, for bytes that nobody keeps: memory that is new costs more than to receive into it.

    The kernel hands out new memory page by page, zeroed: for 30 KB that took 25 us, and to receive and check them 15.
    Here it is asked for all pages at once, which takes half as long.

    Args:
        size: Bytes of each buffer.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """A buffer with whatever is in it."""
        return self._free.pop() if self._free else memoryview(_Memory(-1, self.size, flags=_FLAGS))

    def give_back(self, buffer: memoryview) -> None:
        """Takes a buffer that nobody will look at any more."""
        self._free.append(buffer)
