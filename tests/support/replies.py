"""HTTP replies as nodes write them, byte by byte, for tests of the data plane."""

from __future__ import annotations

import json

import xxhash
from aistore.sdk.const import XX_HASH_SEED


def stored(body: bytes, *, checksum: str | None = None) -> bytes:
    """A 200 as AIStore's target writes it: headers in alphabetical order, the checksum among them."""
    digits = xxhash.xxh64_hexdigest(body) if checksum is None else checksum
    return (
        "HTTP/1.1 200 OK\r\nAis-Atime: 1763710000000000000\r\nAis-Checksum-Type: xxhash2\r\n"
        f"Ais-Checksum-Value: {digits}\r\nContent-Length: {len(body)}\r\nContent-Type: application/octet-stream\r\n"
        "Date: Sat, 21 Nov 2026 07:00:00 GMT\r\n\r\n"
    ).encode() + body


def _first_lines(status: int) -> tuple[str, ...]:
    # Of its buckets without checksums, too, AIStore tells the version or the time of the last access.
    return (f"HTTP/1.1 {status} Any Reason", *(["Ais-Version: 1"] if status in (200, 206) else []))


def page(text: bytes, status: int = 200) -> bytes:
    """The answer of something else than AIStore."""
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: text/html\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def plain(status: int, body: bytes, *headers: str) -> bytes:
    """A reply of AIStore's with a length and these headers."""
    lines = (*_first_lines(status), *headers, f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(status: int, chunks: list[bytes], *headers: str, trailer: str = "") -> bytes:
    """A reply in chunks, none of which is empty."""
    head = "\r\n".join((*_first_lines(status), *headers, "Transfer-Encoding: chunked"))
    parts = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]
    return head.encode("latin-1") + b"\r\n\r\n" + b"".join(parts) + f"0\r\n{trailer}\r\n".encode()


def until_close(status: int, body: bytes, *headers: str) -> bytes:
    """A reply that ends with the connection."""
    return "\r\n".join((*_first_lines(status), *headers)).encode("latin-1") + b"\r\n\r\n" + body


def refusal(status: int, message: str) -> bytes:
    """An error of AIStore's."""
    body = json.dumps({"tcode": "ErrFault", "message": message, "status": status}).encode() + b"\n"
    return plain(status, body, "Content-Type: application/json")


def redirect(location: str) -> bytes:
    """The proxy's answer to a GET."""
    return plain(301, b"<a>Moved Permanently</a>.\n\n", "Content-Type: text/html", f"Location: {location}")


def cluster_map(targets: dict[str, str], version: int = 1, flags: dict[str, int] | None = None) -> bytes:
    """The answer to `what=smap`: daemon ids and the URLs they listen at."""

    def node(daemon_id: str, url: str, kind: str) -> dict[str, object]:
        digest = xxhash.xxh64_intdigest(daemon_id.encode(), XX_HASH_SEED)
        net = {"node_ip_addr": "127.0.0.1", "daemon_port": "1", "direct_url": url}
        return {
            "public_net": net,
            "intra_control_net": net,
            "intra_data_net": net,
            "daemon_type": kind,
            "daemon_id": daemon_id,
            "flags": (flags or {}).get(daemon_id, 0),
            "id_digest": digest,
        }

    proxy = node("p1", "http://127.0.0.1:1", "proxy")
    smap = {
        "pmap": {"p1": proxy},
        "tmap": {daemon_id: node(daemon_id, url, "target") for daemon_id, url in targets.items()},
        "proxy_si": proxy,
        "uuid": "u",
        "creation_time": "",
        "version": str(version),
    }
    return plain(200, json.dumps(smap).encode(), "Content-Type: application/json")
