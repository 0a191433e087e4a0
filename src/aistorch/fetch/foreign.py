"""Objects that only their own reader can read: those of a user's own sources, and those that a subclass chose."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import cast

from aistore.sdk.errors import AISError
from aistore.sdk.etl import ETLConfig
from aistore.sdk.obj.object import Object
from requests import RequestException

from aistorch.errors import ObjectNotFoundError, ReadError, TransformError
from aistorch.fetch.engine import Sample

logger = logging.getLogger(__name__)


def read_objects(
    objects: Iterable[Object], etl: ETLConfig | None = None, skip_failed: bool = False
) -> Iterator[list[Sample]]:
    """Name and content of each object, one after another, in lists of one.

    With `skip_failed` what cannot be read is left out, and logged.

    Raises:
        ReadError: The SDK could not read one. Whatever else its reader raises passes as it is.
    """
    for obj in objects:
        try:
            content = obj.get_reader(etl=etl or ETLConfig()).read_all()
        except (AISError, RequestException) as error:
            ours = _in_our_terms(obj, error, etl)
            if not skip_failed:
                raise ours from error
            logger.warning("left out: %s", ours)
            continue
        yield [(obj.name, cast(bytes, content))]


def _in_our_terms(obj: Object, error: AISError | RequestException, etl: ETLConfig | None) -> ReadError:
    # The SDK's errors cannot leave a DataLoader worker: they are pickled, and never unpickled.
    name = obj.get_semantic_url() if isinstance(obj, Object) else str(obj.name)
    through_etl = etl is not None and bool(etl.name)
    kind: type[ReadError] = TransformError if through_etl else ReadError
    if isinstance(error, RequestException):  # its client has asked as often as it wanted to
        return kind(name, causes=[str(error)])
    if error.status_code == 404 and (name in error.message or not through_etl):  # else it is the ETL that is missing
        kind = ObjectNotFoundError
    return kind(name, 1, [error.message], error.status_code)
