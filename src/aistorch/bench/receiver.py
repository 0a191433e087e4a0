"""Whole objects over bare sockets, into the same memory over and over, their checksums compared."""

from __future__ import annotations

from collections.abc import Iterator
from socket import socket
from typing import NamedTuple

import xxhash

from aistorch.bench.errors import BenchmarkError
from aistorch.bench.http_client import Nodes, target_of
from aistorch.fetch.address import Address

_HEAD_END = b"\r\n\r\n"


class Receiver:
    """Asks the proxy where an object lies and gets it from there, one at a time, on one connection to each node.

    Args:
        endpoint: The proxy's URL.
        size: Bytes of memory, more than the head of a reply has.
    """

    def __init__(self, endpoint: str, size: int) -> None:
        self._endpoint, self._nodes = endpoint, Nodes(endpoint)
        self._memory = bytearray(size)
        self._view = memoryview(self._memory)

    def windows(self, bucket: str, name: str, size: int) -> Iterator[memoryview]:
        """An object as it comes, as much at a time as there is memory; each is over when the next is asked for.

        The last one is there when the checksum was found right.

        Raises:
            BenchmarkError: The object is missing, is not of `size` bytes or does not have its checksum.
        """
        reply = self._open(f"{self._endpoint}/v1/objects/{bucket}/{name}?provider=ais")
        if reply.status != 200 or reply.size != size:
            raise BenchmarkError(
                f"{name} of {bucket} was answered with status {reply.status} and {reply.size} bytes instead of {size}"
            )
        begin, filled = reply.begin, reply.filled
        digest, left = xxhash.xxh64(self._view[begin:filled]), reply.left
        while True:
            while left and filled < len(self._view):
                received = _receive(reply.connection, self._view[filled:])
                digest.update(self._view[filled : filled + received])
                filled += received
                left -= received
            if not left and digest.hexdigest() != reply.checksum:
                told = reply.checksum or "none"
                raise BenchmarkError(f"{name} of {bucket} has checksum {digest.hexdigest()}, announced was {told}")
            yield self._view[begin:filled]
            if not left:
                return
            begin = filled = 0

    def close(self) -> None:
        """Closes all connections."""
        self._nodes.close()

    def _open(self, url: str) -> _Reply:
        """The reply that has the object, or says why not."""
        reply = self._get(url)
        if not reply.location:  # an embedded server with one target does not redirect
            return reply
        left = reply.left
        while left:
            left -= _receive(reply.connection, self._view[:left])
        return self._get(reply.location)

    def _get(self, url: str) -> _Reply:
        """The beginning of the reply to one request."""
        connection = self._nodes.at(url).connect()
        lines = [f"GET {target_of(url)} HTTP/1.1", f"Host: {Address.of_url(url).host_header}"]
        lines += [f"{name}: {value}" for name, value in self._nodes.authorization.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        end, filled = -1, 0
        while end < 0:
            filled += _receive(connection, self._view[filled:])
            end = self._memory.find(_HEAD_END, 0, filled)
        return _Reply.of(connection, self._memory[:end].decode("latin-1"), end + len(_HEAD_END), filled)


class _Reply(NamedTuple):
    """A reply whose head was received, and maybe more.

    Attributes:
        connection: On which the rest comes.
        begin: Where its body begins in memory.
        filled: How far it was received.
        status: As a number.
        size: Of the body in bytes.
        location: Where to ask instead, empty if here.
        checksum: xxh64, empty where none was announced.
    """

    connection: socket
    begin: int
    filled: int
    status: int
    size: int
    location: str
    checksum: str

    @classmethod
    def of(cls, connection: socket, head: str, begin: int, filled: int) -> _Reply:
        """From a head."""
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        told = headers.get("location", ""), headers.get("ais-checksum-value", "")
        return cls(connection, begin, filled, int(first.split()[1]), size, *told)

    @property
    def left(self) -> int:
        """Bytes that are still to come."""
        return self.size - (self.filled - self.begin)


def _receive(connection: socket, view: memoryview) -> int:
    received = connection.recv_into(view)
    if not received:
        raise BenchmarkError("a reply came to an early end")
    return received
