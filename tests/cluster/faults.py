"""What can happen to a real cluster while a dataset is read, and the exact account of what was read meanwhile."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from aistore.sdk import Bucket, Client

from tests.support.cluster import Cluster, Node

Sample = tuple[str, bytes]


def content(number: int) -> bytes:
    return number.to_bytes(8, "little") * (100 + number % 400)


def name(number: int) -> str:
    return f"{number:05d}"


def filled_bucket(cluster: Cluster, objects: int) -> Bucket:
    """A new bucket with so many objects of known content."""
    bucket: Bucket = Client(cluster.endpoint).bucket(f"test-{uuid.uuid4().hex[:12]}").create()
    for number in range(objects):
        bucket.object(name(number)).get_writer().put_content(content(number))
    return bucket


# what is done to nodes


def start_again(node: Node) -> None:
    node.process = subprocess.Popen(node.process.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(node: Node) -> None:
    node.process.kill()
    node.process.wait()


def end(node: Node) -> None:
    """In good order, as Kubernetes does it."""
    node.process.terminate()
    node.process.wait()


def restart(node: Node, away: float, stop: Callable[[Node], None] = end) -> None:
    stop(node)
    time.sleep(away)
    start_again(node)


def restart_one_after_another(cluster: Cluster, away: float, between: float) -> None:
    """Targets first, then the proxy."""
    for node in [*cluster.nodes[1:], cluster.nodes[0]]:
        restart(node, away)
        time.sleep(between)


def restart_all_at_once(cluster: Cluster, away: float) -> None:
    for node in cluster.nodes:
        node.process.terminate()
    for node in cluster.nodes:
        node.process.wait()
    time.sleep(away)
    for node in cluster.nodes:
        start_again(node)


def suspend(node: Node, seconds: float) -> None:
    node.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    node.process.send_signal(signal.SIGCONT)


# the account


@dataclass(frozen=True)
class Account:
    """What came of reading all objects once.

    Attributes:
        samples: How many came.
        lost: Objects that did not come.
        doubled: Samples that came again.
        wrong: Samples whose content is not that of the object.
        longest: Seconds, the longest wait for one sample.
        error: What ended the reading too early; None normally.
    """

    samples: int
    lost: int
    doubled: int
    wrong: int
    longest: float
    error: Exception | None = None

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.error)


def read_during(
    fault: Callable[[], None], samples: Iterable[Sample], objects: int, after: int = 50, pace: float = 0.005
) -> Account:
    """Reads samples at a steady pace; the fault happens, in a thread of its own, once so many have come."""
    failures: list[Exception] = []

    def happen() -> None:
        try:
            fault()
        except Exception as failure:  # raised below: what did not happen proves nothing
            failures.append(failure)

    happening = threading.Thread(target=happen)
    counts: Counter[str] = Counter()
    wrong, longest, error = 0, 0.0, None
    try:
        for number, (waited, (key, body)) in enumerate(_timed(iter(samples))):
            if number == after:
                happening.start()
            counts[key] += 1
            wrong += bytes(body) != content(int(key))
            longest = max(longest, waited)
            time.sleep(pace)
    except Exception as raised:  # the account tells it
        error = raised
    if happening.ident is not None:
        happening.join()
    if failures:
        raise failures[0]
    lost = sum(not counts[name(number)] for number in range(objects))
    total = sum(counts.values())
    return Account(total, lost, total - len(counts), wrong, longest, error)


def _timed(samples: Iterator[Sample]) -> Iterator[tuple[float, Sample]]:
    while True:
        began = time.monotonic()
        sample = next(samples, None)
        if sample is None:
            return
        yield time.monotonic() - began, sample
