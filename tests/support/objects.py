"""Objects for tests, and the requests that were made to list them."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import requests
from aistore.sdk import Bucket, Client

ODD_NAMES = ["a b", "100%", "100%25", "a+b", "a#b", "a?b=c&d", "é/ü.jpg", "日本/語.png", "🙂", 'q"uote', "~t", "[1]"]
ODD_NAMES += ["it's", "{a}", "a,b;c:d@e!f$g*(h)", "a\\b", "<tag>", "a|b^c`d", " x", "..x", "x.."]


def content(name: str, size: int) -> bytes:
    """Bytes that no other object has."""
    return random.Random(name).randbytes(size)


def put_all(bucket: Bucket, contents: Mapping[str, bytes]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: bucket.object(item[0]).get_writer().put_content(item[1]), contents.items()))


def in_order(contents: Mapping[str, bytes], prefix: str = "") -> list[tuple[str, bytes]]:
    """The samples of a bucket as a listing gives them."""
    return [(name, contents[name]) for name in sorted(contents, key=str.encode) if name.startswith(prefix)]


@contextmanager
def new_bucket(client: Client, contents: Mapping[str, bytes]) -> Iterator[Bucket]:
    """A bucket of its own with these objects, gone afterwards."""
    bucket = client.bucket(f"test-{uuid.uuid4().hex[:12]}").create()
    try:
        put_all(bucket, contents)
        yield bucket
    finally:
        bucket.delete(missing_ok=True)


@contextmanager
def listings() -> Iterator[list[dict[str, Any]]]:
    """The requests by which this process lists objects from here on: the `value` of each."""
    seen: list[dict[str, Any]] = []
    send = requests.Session.send

    def watching(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if request.method == "GET" and "/v1/buckets/" in (request.url or "") and request.body:
            body = json.loads(request.body)
            if body["action"] == "list":
                seen.append(body["value"])
        return send(session, request, **options)

    with patch.object(requests.Session, "send", watching):
        yield seen
