"""The program in which an ETL's code runs: objects come in on stdin, what becomes of them goes out on stdout.

It is run as a file of its own (`etl_process`), not as a module of the package, whose import takes ten times as long as
all the rest. So it imports nothing of it.

All numbers are little-endian. First comes the code, and an empty result when it is loaded:

    -> size (8 bytes), then JSON: {"kind": "name" | "function" | "class", "payload": str}
    <- a result

Then for each object:

    -> sizes of path, arguments (4 bytes each) and data (8), then these
    <- a result: 1 or 0 (1 byte), size (8), then the bytes, or what went wrong as JSON: {"error": str, "trace": str}
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import inspect
import io
import json
import operator
import os
import pickle
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

SIZE = struct.Struct("<Q")
REQUEST = struct.Struct("<IIQ")
RESULT = struct.Struct("<?Q")

Transform = Callable[[bytes, str, str], bytes]

_PARENT_SECONDS = 1.0


def main() -> None:
    """Loads the code, then transforms until stdin ends."""
    requests, results = _take_pipes()
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    transform = _attempt(results, lambda: load(**json.loads(requests.read(*SIZE.unpack(requests.read(SIZE.size))))))
    if transform is None:
        return
    _reply(results, True, b"")
    while head := requests.read(REQUEST.size):
        path, arguments, data = (requests.read(size) for size in REQUEST.unpack(head))
        made = _attempt(results, lambda: transform(data, path.decode(), arguments.decode()))  # noqa: B023  # called now
        if made is not None:
            _reply(results, True, made)


def load(kind: str, payload: str) -> Transform:
    """What transforms an object, given its data, `bucket/name` and arguments.

    Args:
        kind: "name": of a function, `package.module:function`; "function": pickled, in base64; "class": an `ETLServer`
            of the SDK, likewise.
        payload: The code.

    Raises:
        Exception: Whatever importing or unpickling it does.
    """
    if kind == "name":
        module, _, name = payload.partition(":")
        return _of_function(operator.attrgetter(name)(importlib.import_module(module)))
    made = pickle.loads(base64.b64decode(payload))  # noqa: S301  # of the server's owner, or allowed by them
    return _of_class(made) if kind == "class" else _of_function(made)


def _of_function(function: Any) -> Transform:
    if not callable(function):
        raise TypeError(f"{function!r} is no function")
    try:
        wants_arguments = "etl_args" in inspect.signature(function).parameters
    except ValueError:  # of functions in C nobody knows
        wants_arguments = False

    def transform(data: bytes, _path: str, arguments: str) -> bytes:
        return _as_bytes(function(data, etl_args=arguments) if wants_arguments else function(data))

    return transform


def _of_class(kind: Any) -> Transform:
    server = kind()

    def transform(data: bytes, path: str, arguments: str) -> bytes:
        if server.use_streaming:
            return b"".join(server.transform_stream(io.BytesIO(data), path, arguments))
        made = server.transform(data, path, arguments)
        return _as_bytes(asyncio.run(made) if inspect.iscoroutine(made) else made)

    return transform


def _as_bytes(made: Any) -> bytes:
    if not isinstance(made, (bytes, bytearray, memoryview)):
        raise TypeError(f"the transformer returned {type(made).__name__}, not bytes")
    return bytes(made)


def _attempt(results: BinaryIO, do: Callable[[], Any]) -> Any:
    """What it returns; None if it failed, which has been answered then."""
    try:
        return do()
    except Exception as error:  # whatever it is, who asked is told
        said = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
        _reply(results, False, json.dumps(said).encode())
        return None


def _reply(results: BinaryIO, success: bool, body: bytes) -> None:
    results.write(RESULT.pack(success, len(body)))
    results.write(body)
    results.flush()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the server; what the code prints goes to stderr, and it has nothing to read from stdin."""
    requests, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    return requests, results


def _watch(parent: int) -> None:
    # Code that never comes back would not see the pipe end when the server was killed.
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
