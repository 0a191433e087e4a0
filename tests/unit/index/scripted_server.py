"""A server that answers listings as a test tells it, for what no well-behaved server does."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any

import msgspec
import tenacity
import urllib3
from aistore.sdk import Bucket, Client
from aistore.sdk.retry_config import RetryConfig

MSGPACK = "application/msgpack"
Answer = tuple[int, str, bytes]


def page(entries: list[dict[str, Any]] | None, token: str = "") -> Answer:
    """A page of a listing."""
    fields = {"UUID": "uuid-1", "ContinuationToken": token, "Entries": entries, "Flags": 0}
    return 200, MSGPACK, msgspec.msgpack.encode(fields)


def refusal(status: int, message: str) -> Answer:
    """An error in AIStore's format."""
    return status, "application/json", json.dumps({"message": message, "status": status}).encode()


class ScriptedServer:
    """Answers each listing with what `answer` makes of the request's `value`.

    Attributes:
        values: The `value` of each request so far.
        headers: The headers of each.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], Answer]) -> None:
        self.values: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                script.values.append(body["value"])
                script.headers.append(dict(self.headers))
                status, kind, content = answer(body["value"])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))

    def bucket(self, provider: str = "ais", token: str = "") -> Bucket:
        """A bucket of this server, of a client that tries everything once."""
        once = tenacity.Retrying(stop=tenacity.stop_after_attempt(1), reraise=True)
        retries = RetryConfig(http_retry=urllib3.Retry(total=0, redirect=5), network_retry=once)
        bucket: Bucket = Client(self.endpoint, retry_config=retries, token=token).bucket("bck", provider)
        return bucket

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
