"""Whether an endpoint answers, and what its refusals mean, in errors that name the bucket and the remedy."""

from __future__ import annotations

import json
import logging
import socket
from urllib.parse import urlsplit

import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError
from aistore.sdk.request_client import RequestClient

from aistorch.errors import (
    AccessDeniedError,
    AIStorchError,
    BucketNotFoundError,
    EndpointUnreachableError,
    ServerError,
)
from aistorch.index.token import usable_token, without_token
from aistorch.sources.resolve import describe

PROBE_TIMEOUT = 3.0  # seconds
DEFAULT_PORTS = {"http": 80, "https": 443}

logger = logging.getLogger(__name__)

_answered: set[str] = set()
"""Endpoints that have accepted a connection from this process."""


def endpoint_of(client: RequestClient) -> str:
    """The endpoint of an SDK client, for messages: without user and password."""
    parts = urlsplit(client.base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.removesuffix('/v1')}"


def check_reachable(client: RequestClient) -> None:
    """See that something accepts connections at the endpoint, once per process.

    The SDK's retries, which see a training run through a restart of the cluster, would let one with a wrong
    endpoint wait for the best part of a minute.

    Raises:
        EndpointUnreachableError: Nothing does, or the host's name is unknown.
        InvalidArgumentError: The client's token cannot be one.
    """
    usable_token(client)
    url = client.base_url
    if url in _answered:
        return
    parts = urlsplit(url)
    try:
        address = parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 80)
        socket.create_connection(address, timeout=PROBE_TIMEOUT).close()
        if parts.scheme == "https":
            _check_certificate(client)
    except requests.exceptions.SSLError as error:
        raise _insecure(client, error) from error
    except (OSError, ValueError) as error:
        raise _unreachable(client, error) from error
    _answered.add(url)


def translate(error: Exception, bucket: Bucket) -> AIStorchError:
    """What the SDK raised while it was listing `bucket`, as an error of ours: named, and picklable."""
    if isinstance(error, AISError):
        return _refusal(error, bucket)
    if isinstance(error, requests.exceptions.SSLError):
        return _insecure(bucket.client, error)
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return _unreachable(bucket.client, error)
    said = without_token(str(error), bucket.client)
    return ServerError(f"{describe(bucket)} could not be listed at {endpoint_of(bucket.client)}: {said}")


def shown_cause(error: Exception, bucket: Bucket) -> Exception | None:
    """An error of the SDK's as the cause of one of ours; None where its text has the token."""
    return error if without_token(str(error), bucket.client) == str(error) else None


def not_aistore(bucket: Bucket) -> ServerError:
    """What to raise when the answer to a listing is none."""
    return ServerError(
        f"{endpoint_of(bucket.client)} does not answer as AIStore does when {describe(bucket)} is listed: "
        "check the endpoint (client_url, AIS_ENDPOINT)"
    )


def _check_certificate(client: RequestClient) -> None:
    """Asks for the endpoint's health as the SDK would, but for its retries."""
    theirs = client.session_manager.session
    with requests.Session() as once:
        once.verify, once.cert = theirs.verify, theirs.cert
        try:
            once.head(f"{client.base_url}/health", timeout=PROBE_TIMEOUT)
        except requests.exceptions.SSLError:
            raise
        except requests.RequestException as error:
            logger.debug("no health from %s: %s", endpoint_of(client), error)


def _insecure(client: RequestClient, error: Exception) -> EndpointUnreachableError:
    return EndpointUnreachableError(
        f"no secure connection to {endpoint_of(client)}: {error}; set AIS_CLIENT_CA to the certificate "
        "of its authority, or check that the endpoint speaks https"
    )


def _unreachable(client: RequestClient, error: Exception) -> EndpointUnreachableError:
    return EndpointUnreachableError(
        f"nothing answers at {endpoint_of(client)} ({error}): check the endpoint (client_url, AIS_ENDPOINT) "
        "and that the cluster runs"
    )


def _refusal(error: AISError, bucket: Bucket) -> ServerError:
    name, endpoint = describe(bucket), endpoint_of(bucket.client)
    status, url = error.status_code, f"{endpoint}/v1/buckets/{bucket.name}"
    # What the server says of a token may quote it.
    if status == 401:
        message = f"{name} wants a valid token at {endpoint}: set AIS_AUTHN_TOKEN or give Client(..., token=)"
        return AccessDeniedError(message, status, url)
    if status == 403:
        message = f"{name} may not be listed at {endpoint}: the token in use lacks that permission"
        return AccessDeniedError(message, status, url)
    said = without_token(_server_text(error), bucket.client)
    if status == 404:
        message = f"{name} does not exist at {endpoint} ({said}): check its name, provider and namespace"
        return BucketNotFoundError(message, status, url)
    return ServerError(f"{name} could not be listed at {endpoint}: {said} (status {status})", status, url)


def _server_text(error: AISError) -> str:
    try:
        return str(json.loads(error.message)["message"])
    except (ValueError, TypeError, KeyError):
        return error.message or "no reason given"
