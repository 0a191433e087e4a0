"""Memory that a reply's body is received into."""

from __future__ import annotations

import ctypes

_new = ctypes.pythonapi.PyBytes_FromStringAndSize
_new.argtypes, _new.restype = [ctypes.c_void_p, ctypes.c_ssize_t], ctypes.py_object
_address = ctypes.pythonapi.PyBytes_AsString
_address.argtypes, _address.restype = [ctypes.py_object], ctypes.c_void_p
_view = ctypes.pythonapi.PyMemoryView_FromMemory
_view.argtypes, _view.restype = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int], ctypes.py_object
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
