"""The processes of an ETL, without a server around them."""

from __future__ import annotations

import asyncio
import base64
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pytest

from aistorch.errors import InvalidArgumentError
from aistorch.server.etl_code import EtlCode, parse_option
from aistorch.server.etl_process import CodeError, Transformers
from aistorch.server.etl_worker import load


def run(function: Any, use: Callable[[Transformers], Awaitable[Any]]) -> Any:
    """What comes of using the processes of a function, which are gone afterwards."""

    async def all_of_it() -> Any:
        transformers = Transformers(EtlCode.of_function(function))
        try:
            await transformers.start(30)
            return await use(transformers)
        finally:
            await transformers.stop()

    return asyncio.run(all_of_it())


def ask(transformers: Transformers, data: bytes, seconds: float = 30.0) -> Awaitable[tuple[int, bytes]]:
    return transformers.transform(lambda: data, "b/o", "", seconds)


def test_what_takes_too_long_is_ended_and_the_next_object_is_served() -> None:
    async def use(transformers: Transformers) -> bytes:
        with pytest.raises(CodeError, match=r"no result within 0.2 s"):
            await ask(transformers, b"slow", 0.2)
        return (await ask(transformers, b"quick"))[1]

    assert run(lambda data: time.sleep(60) if data == b"slow" else data, use) == b"quick"


def test_a_reader_that_went_away_takes_no_reply_of_another() -> None:
    async def use(transformers: Transformers) -> list[bytes]:
        for number in range(8):
            reading = asyncio.ensure_future(ask(transformers, b"left %d" % number))
            await asyncio.sleep(0.005 * number)
            reading.cancel()
        return [(await ask(transformers, b"%d" % number))[1] for number in range(8)]

    def slowly(data: bytes) -> bytes:
        time.sleep(0.01)
        return data

    assert run(slowly, use) == [b"%d" % number for number in range(8)]


@pytest.mark.skipif(os.cpu_count() == 1, reason="one process for one core")
def test_objects_are_transformed_side_by_side() -> None:
    with tempfile.TemporaryDirectory() as folder:

        def meet(data: bytes) -> bytes:
            Path(folder, data.decode()).touch()
            while len(os.listdir(folder)) < 2:
                time.sleep(0.01)
            return data

        async def use(transformers: Transformers) -> Any:
            return await asyncio.gather(ask(transformers, b"a"), ask(transformers, b"b"))

        assert run(meet, use) == [(1, b"a"), (1, b"b")]


def test_more_objects_than_processes_wait_unread() -> None:
    read = 0

    async def use(transformers: Transformers) -> int:
        def reading() -> bytes:
            nonlocal read
            read += 1
            return b""

        asking = [asyncio.ensure_future(transformers.transform(reading, "b/o", "", 60)) for _ in range(50)]
        await asyncio.sleep(0.3)
        seen = read
        await transformers.stop()
        failed = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(error, CodeError) for error in failed)
        return seen

    assert 1 <= run(lambda data: time.sleep(60), use) <= min(4, os.cpu_count() or 1)


def test_code_that_takes_too_long_to_load_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless_import.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def start() -> None:
        await Transformers(EtlCode.of_name("endless_import:main")).start(0.3)

    with pytest.raises(CodeError, match=r"no result within 0.3 s"):
        asyncio.run(start())


@pytest.mark.parametrize(
    "text", ["", "module:function", "resize", "resize=", "resize=module", "resize=m:f(1)", "resize=:f"]
)
def test_options_that_name_no_function(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        parse_option(text)


def test_an_option_names_a_function() -> None:
    name, code = parse_option("checksum=zlib:crc32")
    assert (name, code.kind, code.payload) == ("checksum", "name", "zlib:crc32")


class Streaming:
    use_streaming = True

    def transform_stream(self, reader: Any, path: str, etl_args: str) -> Any:
        while piece := reader.read(2):
            yield piece[::-1]
        yield f"{path} {etl_args}".encode()


class Awaiting:
    use_streaming = False

    async def transform(self, data: bytes, path: str, etl_args: str) -> bytes:
        await asyncio.sleep(0)
        return data + etl_args.encode()


@pytest.mark.parametrize(("kind", "expected"), [(Streaming, b"badcb/o x"), (Awaiting, b"abcdx")])
def test_classes_may_stream_or_be_asynchronous(kind: type, expected: bytes) -> None:
    payload = base64.b64encode(cloudpickle.dumps(kind)).decode()
    assert load("class", payload)(b"abcd", "b/o", "x") == expected
