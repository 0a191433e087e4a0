"""Functions run by several ranks at once: processes of their own, with the environment that torchrun gives them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from torch import distributed


def run_ranks(function: Callable[..., Any], *args: Any, ranks: int = 2, group: bool = True, timeout: float = 90) -> Any:
    """What `function(*args)` returns in each of so many ranks, which are spawned and end with it.

    Args:
        function: Of a module, with arguments and result that can be pickled.
        args: Its arguments.
        ranks: How many processes.
        group: Begin a gloo process group first; without it a framework makes its own.
        timeout: After so many seconds all ranks are killed.

    Raises:
        AssertionError: A rank failed, with what it said; or the time was up.
    """
    context, port = multiprocessing.get_context("spawn"), _free_port()
    pipes, processes = [], []
    for rank in range(ranks):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_rank, args=(theirs, rank, ranks, port, group, function, args))
        process.start()
        theirs.close()
        pipes.append(mine)
        processes.append(process)
    try:
        return _results(pipes, time.monotonic() + timeout)
    finally:
        _end(processes)


def run_all(*functions: Callable[..., Any], args: Any = (), **options: Any) -> dict[str, list[Any]]:
    """What each of these functions returns in each rank, by its name; one after another in the same processes."""
    ranks = run_ranks(_each, functions, args, **options)
    return {function.__name__: [found[function.__name__] for found in ranks] for function in functions}


def _each(functions: Sequence[Callable[..., Any]], args: Any) -> dict[str, Any]:
    return {function.__name__: function(*args) for function in functions}


def _results(pipes: list[Connection], deadline: float) -> list[Any]:
    found: dict[int, Any] = {}
    while len(found) < len(pipes):
        open_pipes = [pipe for rank, pipe in enumerate(pipes) if rank not in found]
        ready = wait(open_pipes, max(0, deadline - time.monotonic()))
        if not ready:
            missing = [rank for rank in range(len(pipes)) if rank not in found]
            raise AssertionError(f"ranks {missing} have not come to an end in time")
        for rank in (pipes.index(pipe) for pipe in ready if isinstance(pipe, Connection)):
            try:
                succeeded, result = pipes[rank].recv()
            except EOFError:
                raise AssertionError(f"rank {rank} died without a word") from None
            if not succeeded:
                raise AssertionError(f"rank {rank} failed:\n{result}")
            found[rank] = result
    return [found[rank] for rank in range(len(pipes))]


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.join(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)  # workers that a rank has left behind, too
        process.join()


def _rank(
    pipe: Connection, rank: int, ranks: int, port: int, group: bool, function: Callable[..., Any], args: Any
) -> None:
    names = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test", "GLOO_SOCKET_IFNAME": "lo"}
    settings = {"OMP_NUM_THREADS": 1, "ACCELERATE_USE_CPU": "true", "TOKENIZERS_PARALLELISM": "false"}
    os.environ.update({name: str(value) for name, value in (names | place | settings).items()})
    os.setsid()
    multiprocessing.set_start_method("fork", force=True)  # for workers, as where a script is run; spawn was inherited
    try:
        if group:
            distributed.init_process_group("gloo")
        pipe.send((True, function(*args)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
