"""Objects that a subclass chose, read by the GetBatch of a client, and by their own readers whatever it leaves out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

from aistore.sdk import Client
from aistore.sdk.obj.object import Object

from aistorch.fetch.batch import FAILURES, BatchOptions
from aistorch.fetch.engine import Sample
from aistorch.fetch.foreign import read_objects

logger = logging.getLogger(__name__)


def read_by_client(client: Client, objects: Iterator[Object], options: BatchOptions) -> Iterator[list[Sample]]:
    """Name and content of each object, in order, a request at a time.

    The client may be anything with a `batch()` like that of the SDK's `Client`, which unit tests make use of.

    Raises:
        ReadError: An object could not be read. Whatever else its reader raises passes as it is.
    """
    while group := list(islice(objects, options.length)):
        # The SDK's own client takes none but objects of the SDK.
        foreign = isinstance(client, Client) and not all(isinstance(obj, Object) for obj in group)
        found = {} if foreign else _found(client, group, options)
        yield [
            sample
            for position, obj in enumerate(group)
            for sample in ([found[position]] if position in found else _by_itself(obj, options.skip_failed))
        ]


def _found(client: Client, group: list[Object], options: BatchOptions) -> dict[int, Sample]:
    """By position, what arrived without an error."""
    found: dict[int, Sample] = {}
    batch = client.batch(
        objects=group,
        output_format=options.output_format,
        streaming_get=options.streaming,
        colocation=options.colocation,
        cont_on_err=options.skip_failed,
    )
    try:
        for position, (info, body) in enumerate(batch.get()):
            if not (isinstance(info.err_msg, str) and info.err_msg):
                found[position] = (info.obj_name, body)
    except (*FAILURES, RuntimeError, ValueError) as error:
        logger.debug("GetBatch ended early: %s", error)
    return found


def _by_itself(obj: Object, skip_failed: bool) -> list[Sample]:
    return [sample for run in read_objects([obj], skip_failed=skip_failed) for sample in run]
