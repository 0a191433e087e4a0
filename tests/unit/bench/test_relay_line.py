from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.bench.detour import place
from aistorch.bench.relay_line import Line

LATENCY = 0.002
Talk = Callable[[Line], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def with_line(talk: Talk) -> None:
    """Runs `talk` with a line that leads to a server that repeats what it hears."""

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        line = Line(("127.0.0.1", server.sockets[0].getsockname()[1]), LATENCY)
        await line.listen()
        await talk(line)

    asyncio.run(asyncio.wait_for(main(), 30))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=8))
def test_all_bytes_pass_in_their_order(sizes: list[int]) -> None:
    chunks = [bytes([number]) * size for number, size in enumerate(sizes)]

    async def talk(line: Line) -> None:
        reader, writer = await asyncio.open_connection(*place(line.entrance))
        for chunk in chunks:
            writer.write(chunk)
        assert await reader.readexactly(sum(sizes)) == b"".join(chunks)
        assert line.passed == sum(sizes)
        writer.close()

    with_line(talk)


def test_no_answer_comes_sooner_than_the_latency() -> None:
    async def talk(line: Line) -> None:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(*place(line.entrance))
        for trips in (2, 3, 4):  # the first one is that of making the connection
            writer.write(b"x")
            await reader.readexactly(1)
            assert time.monotonic() - began >= trips * LATENCY
        writer.close()

    with_line(talk)


def test_the_end_of_one_side_reaches_the_other_after_its_bytes() -> None:
    async def main() -> None:
        async def say_goodbye(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"goodbye")
            writer.close()

        server = await asyncio.start_server(say_goodbye, "127.0.0.1", 0)
        line = Line(("127.0.0.1", server.sockets[0].getsockname()[1]), LATENCY)
        await line.listen()
        reader, writer = await asyncio.open_connection(*place(line.entrance))
        assert await asyncio.wait_for(reader.read(), 20) == b"goodbye"
        writer.close()

    asyncio.run(main())


def test_a_node_that_is_not_there_ends_the_connection() -> None:
    async def main() -> None:
        line = Line(("127.0.0.1", 9), LATENCY)
        await line.listen()
        reader, writer = await asyncio.open_connection(*place(line.entrance))
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()

    asyncio.run(main())


@pytest.mark.parametrize(("text", "expected"), [("127.0.0.1:80", ("127.0.0.1", 80)), ("a.b:51080", ("a.b", 51080))])
def test_a_place_is_read(text: str, expected: tuple[str, int]) -> None:
    assert place(text) == expected
