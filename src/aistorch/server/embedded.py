"""The embedded AIStore as an object: a server in a process of its own, which ends with this one."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from aistore.sdk import Client

from aistorch.errors import AIStorchError, InvalidArgumentError, MissingExtraError
from aistorch.server.etl_code import EtlCode, check_etl_name
from aistorch.server.faults import Faults

_NEEDED = ("aiohttp", "msgspec")
_START_SECONDS = 300.0  # a folder with millions of objects takes a while to scan
_STOP_SECONDS = 10.0
_TOKEN_VARIABLE = "AISTORCH_SERVER_TOKEN"  # noqa: S105  # the variable's name


class ServerStartError(AIStorchError):
    """The embedded AIStore could not start, or has died."""


class EmbeddedAIStore:
    """An AIStore for a laptop, a demo or a test.

        with EmbeddedAIStore() as ais:
            bucket = ais.client().bucket("images").create()

    The server runs in a subprocess, so it does not compete with training for the interpreter, and forked or spawned
    workers may use it. It ends with `stop()`, with the `with` block, or when this process ends in whatever way.

    Args:
        dir: Where the data is kept, over restarts; None takes a temporary folder, removed in the end.
        port: Port of the proxy; 0 takes a free one.
        targets: How many targets. One shares the proxy's port; several have ports of their own, and every object
            lives on exactly one of them.
        buckets: URIs of buckets to be there, of any provider: `"aws://images"`.
        host: The address to bind to; only this machine reaches the default.
        allow_hosts: Other names by which clients may call it. A name that it does not know is refused, as a web
            page may have made it lead here; loopback and `host` are known, with `0.0.0.0` every address.
        cert: Certificate (PEM file) for HTTPS.
        key: Its private key, where it is not in the same file.
        token: What clients must present; None lets everybody in.
        etls: ETLs, by name (6 to 32 characters): functions from bytes to bytes, `{"resize": shrink}`. They run in
            processes of their own. One that has a parameter `etl_args` is given the arguments of each read, a str:
            those of an `ETLConfig`, a dict as JSON. Those of a module are imported there; others, also lambdas and
            those of a script or notebook, are sent with all they refer to.
        allow_code: Run ETLs whose code clients send, `client.etl(name).init_class()`: they can do whatever this user
            can. Packages that they need must be installed here.
    """

    def __init__(
        self,
        dir: str | Path | None = None,  # noqa: A002  # as in `aistorch serve --dir`
        *,
        port: int = 0,
        targets: int = 1,
        buckets: Sequence[str] = (),
        host: str = "127.0.0.1",
        allow_hosts: Sequence[str] = (),
        cert: str | Path | None = None,
        key: str | Path | None = None,
        token: str | None = None,
        etls: Mapping[str, Callable[..., bytes]] | None = None,
        allow_code: bool = False,
    ) -> None:
        if targets < 1:
            raise InvalidArgumentError(f"targets is {targets}; at least 1 is needed")
        for name, given in (("buckets", buckets), ("allow_hosts", allow_hosts)):
            if isinstance(given, str):
                raise InvalidArgumentError(f"{name} is a string; give a list: [{given!r}]")
        self._dir, self._token = None if dir is None else Path(dir).absolute(), token
        self._options = {"host": host, "port": port, "targets": targets, "cert": cert, "key": key}
        self._buckets, self._names, self._allow_code = tuple(buckets), tuple(allow_hosts), allow_code
        self._etls = {check_etl_name(name): EtlCode.of_function(function) for name, function in (etls or {}).items()}
        self._process: subprocess.Popen[str] | None = None
        self._ready: dict[str, Any] = {}
        self._stderr: IO[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        where = self.endpoint if self._process is not None else "stopped"
        return f"<EmbeddedAIStore {where} targets={self._options['targets']}>"

    @property
    def endpoint(self) -> str:
        """The proxy's URL, for `AIS_ENDPOINT` and `Client`."""
        return str(self._fact("endpoint"))

    @property
    def target_endpoints(self) -> dict[str, str]:
        """URLs of the targets, by their ids."""
        return dict(self._fact("target_endpoints"))

    @property
    def dir(self) -> Path:
        """Where the data is."""
        return Path(self._fact("dir"))

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._running().pid

    @property
    def faults(self) -> Faults:
        """What can go wrong, for tests."""
        return Faults(self._command, str(self._fact("proxy")))

    def client(self) -> Client:
        """A new client of the official SDK, with the token if one is wanted; over HTTPS it trusts any certificate.

        `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE` in the environment take precedence over that, in the SDK.
        """
        return Client(self.endpoint, token=self._token, skip_verify=self._options["cert"] is not None)

    def start(self) -> EmbeddedAIStore:
        """Starts the server; returns when it is ready. Nothing happens if it runs already.

        Raises:
            MissingExtraError: If the packages that it needs are not installed.
            ServerStartError: If it cannot start; the message has what it said.
            InvalidArgumentError: If an ETL's code cannot be loaded.
        """
        if self._process is not None:
            return self
        if any(importlib.util.find_spec(package) is None for package in _NEEDED):
            raise MissingExtraError("server", "the embedded AIStore")
        # Its paths are those of this process, so that it finds the very same packages.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        if self._token is not None:
            environment[_TOKEN_VARIABLE] = self._token
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115  # lives as long as the server
        self._owner = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "aistorch.server", "--attached", *self._arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the server when it has done with it
            text=True,
        )
        try:
            self._ready = self._read(_START_SECONDS)
            if self._etls:
                self._command("etls", codes={name: code.to_json() for name, code in self._etls.items()})
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the server. Does nothing in a forked child, or if it does not run."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # A killed server never took the last command: closing sends it again, fails, and closes all the same.
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()  # the sign to end
        process.terminate()  # the same, where a forked child of ours keeps the pipes open
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._stderr is not None:
            self._stderr.close()
        if self._dir is None and self._ready:
            shutil.rmtree(self._ready["dir"], ignore_errors=True)  # if the server was killed, it could not
        self._ready = {}

    def __enter__(self) -> EmbeddedAIStore:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _arguments(self) -> list[str]:
        options = {**self._options, "dir": self._dir}
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        given += ["--allow-code"] if self._allow_code else []
        given += [f"--allow-host={name}" for name in self._names]
        return given + [f"--bucket={uri}" for uri in self._buckets]

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise ServerStartError("the embedded AIStore does not run; call start(), or use it in a 'with' block")
        return self._process

    def _fact(self, name: str) -> Any:
        self._running()
        return self._ready[name]

    def _command(self, command: str, **arguments: Any) -> Any:
        if self._owner != os.getpid():
            raise ServerStartError("faults can be asked for in the process that started the server only")
        with self._lock:
            pipe = self._running().stdin
            try:
                if pipe is not None:
                    pipe.write(json.dumps({"command": command, **arguments}) + "\n")
                    pipe.flush()
            except BrokenPipeError:
                pass  # it has died, which the read below tells
            reply = self._read(_START_SECONDS if command == "etls" else _STOP_SECONDS)
        if "error" in reply:
            raise InvalidArgumentError(f"the embedded AIStore refused {command!r}: {reply['error']}")
        return reply["result"]

    def _read(self, seconds: float) -> dict[str, Any]:
        process = self._running()
        output = process.stdout
        if output is not None and select.select([output], [], [], seconds)[0]:
            if line := output.readline():
                return dict(json.loads(line))
            # The pipe of a process that dies ends a moment before its status is known.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        status = process.poll()
        what = "did not answer" if status is None else f"ended with status {status}"
        raise ServerStartError(f"the embedded AIStore {what} ({seconds:.0f} s at most). {self._last_words()}")

    def _last_words(self) -> str:
        if self._stderr is None:
            return ""
        self._stderr.seek(0)
        said = self._stderr.read().strip()
        return f"It said:\n{said}" if said else "It said nothing."
