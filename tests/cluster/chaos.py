"""Everything that has been seen to happen to a cluster, done to one while it is read, with an account of each sample.

    make chaos

starts a cluster of one proxy and three targets for each case, prints a table, and fails if a sample was lost, doubled
or wrong. With `ARGS="--only rolling"` it runs the cases in whose names that stands.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from aistore.sdk import Bucket, Client
from aistore.sdk.errors import AISError
from aistore.sdk.request_client import RequestClient
from torch.utils.data import DataLoader

from aistorch import AISIterDataset, AISMapDataset
from aistorch.errors import SlowReadWarning
from tests.cluster.faults import (
    Account,
    Sample,
    content,
    filled_bucket,
    kill,
    name,
    read_during,
    restart,
    restart_all_at_once,
    restart_one_after_another,
    suspend,
)
from tests.support.cluster import Cluster, Node, why_no_cluster

OBJECTS = 2000
HEADINGS = ("fault", "read by", "samples", "lost", "doubled", "wrong", "longest wait", "seconds")

Fault = Callable[[Cluster, Bucket], None]


def overwrite(bucket: Bucket) -> None:
    """Every tenth object, by the same content: another version of it."""
    for number in range(0, OBJECTS, 10):
        bucket.object(name(number)).get_writer().put_content(content(number))


def maintain(cluster: Cluster, node: Node) -> None:
    """Takes a target out for maintenance, and back."""
    client = Client(cluster.endpoint).bucket("any").client
    smap = client.request("get", path="daemon", params={"what": "smap"}).json()
    target = next(t for t, at in smap["tmap"].items() if at["public_net"]["daemon_port"] == str(node.port))
    for action in ("start-maintenance", "stop-maintenance"):
        message: dict[str, object] = {"action": action, "name": "", "value": {"sid": target, "skip_rebalance": False}}
        while not _accepted(client, message):  # not while data is moved
            time.sleep(0.5)
        time.sleep(5)


def _accepted(client: RequestClient, message: dict[str, object]) -> bool:
    try:
        client.request("put", path="cluster", json=message)
    except AISError as error:
        if error.status_code != 409:
            raise
        return False
    return True


FAULTS: dict[str, Fault] = {
    "none": lambda cluster, bucket: None,
    "a target killed, back after 3 s": lambda cluster, bucket: restart(cluster.nodes[2], 3, kill),
    "a target killed, back after 10 s": lambda cluster, bucket: restart(cluster.nodes[2], 10, kill),
    "a target ended (SIGTERM), back after 1 s": lambda cluster, bucket: restart(cluster.nodes[2], 1),
    "a target ended (SIGTERM), back after 8 s": lambda cluster, bucket: restart(cluster.nodes[2], 8),
    "rolling restart of all nodes": lambda cluster, bucket: restart_one_after_another(cluster, 2, 3),
    "all nodes restarted at once": lambda cluster, bucket: restart_all_at_once(cluster, 2),
    "the proxy killed, back after 5 s": lambda cluster, bucket: restart(cluster.nodes[0], 5, kill),
    "a target suspended (SIGSTOP) for 5 s": lambda cluster, bucket: suspend(cluster.nodes[2], 5),
    "a target suspended (SIGSTOP) for 30 s": lambda cluster, bucket: suspend(cluster.nodes[2], 30),
    "a target suspended (SIGSTOP) for 60 s": lambda cluster, bucket: suspend(cluster.nodes[2], 60),
    "a target in maintenance and back": lambda cluster, bucket: maintain(cluster, cluster.nodes[2]),
    "objects overwritten": lambda cluster, bucket: overwrite(bucket),
}


def one_by_one(bucket: Bucket) -> Iterator[Sample]:
    dataset = AISMapDataset(bucket)
    return (dataset[number] for number in range(len(dataset)))


READERS: dict[str, Callable[[Bucket], Iterator[Sample]]] = {
    "iter": lambda bucket: iter(AISIterDataset(bucket)),
    "map": one_by_one,
    "map, 2 workers": lambda bucket: iter(DataLoader(AISMapDataset(bucket), batch_size=None, num_workers=2)),
}


def run(fault: Fault, read: Callable[[Bucket], Iterator[Sample]]) -> tuple[Account, float]:
    """One case, on a cluster of its own; with the seconds that reading took."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as home, Cluster(Path(home)) as cluster:
        bucket = filled_bucket(cluster, OBJECTS)
        began = time.monotonic()
        account = read_during(lambda: fault(cluster, bucket), read(bucket), OBJECTS, pace=0.01)
        return account, time.monotonic() - began


def main() -> int:
    """Runs the cases and prints the table; the number of those that were not clean is the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="run the cases in whose names this stands")
    parser.add_argument("--reader", default="", choices=["", *READERS], help="read in this way alone")
    options = parser.parse_args()
    if reason := why_no_cluster():
        print(reason)
        return 1
    warnings.simplefilter("ignore", SlowReadWarning)
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS), flush=True)
    failed = 0
    for title, fault in FAULTS.items():
        for reader, read in READERS.items():
            if options.only in title and options.reader in ("", reader):
                account, seconds = run(fault, read)
                failed += not account.is_clean
                counts = (account.samples, account.lost, account.doubled, account.wrong)
                figures = (*counts, f"{account.longest:.1f} s", f"{seconds:.0f}")
                print("| " + " | ".join(map(str, (title, reader, *figures))) + " |", flush=True)
                if account.error is not None:
                    print(f"  {type(account.error).__name__}: {account.error}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
