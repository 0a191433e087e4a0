"""Runs a command in a network of its own, in which nothing is reachable but the loopback interface.

    python tests/support/private_network.py COMMAND ARGS...

An AIStore node listens on every interface and lets anyone in, so the tests start one only in such a network.
This launcher makes one (`unshare` of util-linux; no root needed). Where that is not possible, or where
`AIS_ENDPOINT` names a cluster that must be reached, the command simply runs as it is.

Only the standard library is used here: this runs before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys

_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # SIOCGIFFLAGS, SIOCSIFFLAGS in linux/sockios.h
_UP = 0x1  # IFF_UP
_REQUEST = struct.Struct("16sH14x")  # the head of struct ifreq: name, flags
_INSIDE = "--inside"


def is_private() -> bool:
    """Whether this process can reach, and be reached by, nothing but itself: only loopback is up."""
    if not sys.platform.startswith("linux"):
        return False
    return {name for _, name in socket.if_nameindex() if _flags(name) & _UP} <= {"lo"}


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    if arguments[0] == _INSIDE:
        _bring_loopback_up()
        os.execvp(arguments[1], arguments[1:])
    reason = _why_not()
    if reason:
        _say(f"running in the open network: {reason}")
        os.execvp(arguments[0], arguments)
    command = [*_entry(), *arguments]
    os.execvp(command[0], command)


def _why_not() -> str:
    """Why no private network is to be entered, or an empty string."""
    if os.environ.get("AIS_ENDPOINT"):
        return "AIS_ENDPOINT names a cluster that must be reachable"
    if shutil.which("unshare") is None:
        return "there is no `unshare` here (Linux, package util-linux)"
    # The whole way is tried, since some systems allow the namespace and then no rights within it.
    attempt = subprocess.run([*_entry(), "true"], capture_output=True, text=True, check=False)
    if attempt.returncode:
        last_line = (attempt.stderr.strip().splitlines() or ["no message"])[-1]
        return f"`unshare -rn` is not permitted here ({last_line})"
    return ""


def _entry() -> list[str]:
    return ["unshare", "-rn", sys.executable, os.path.abspath(__file__), _INSIDE]


def _flags(interface: str) -> int:
    import fcntl  # Linux and macOS only

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _GET_FLAGS, _REQUEST.pack(interface.encode(), 0))
    return int(_REQUEST.unpack(answer)[1])


def _bring_loopback_up() -> None:
    import fcntl

    request = _REQUEST.pack(b"lo", _flags("lo") | _UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, request)


def _say(line: str) -> None:
    sys.stderr.write(f"{os.path.basename(__file__)}: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
