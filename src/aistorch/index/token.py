"""The AuthN token of a client: usable in a header, and never in a text."""

from __future__ import annotations

from aistore.sdk.request_client import RequestClient

from aistorch.errors import InvalidArgumentError


def usable_token(client: RequestClient) -> str:
    """A client's token, empty where it has none; white space around it is cut off, for the client's own use, too.

    A file or a Kubernetes secret often ends with a line break.

    Raises:
        InvalidArgumentError: It has a character that no header may have; the SDK would quote the token.
    """
    given = getattr(client, "token", "")
    if not isinstance(given, str):  # none, or that of a mock
        return ""
    token = given.strip()
    if not (token.isascii() and token.isprintable()):
        raise InvalidArgumentError(
            "the AuthN token has a line break or another character that no header may have (it is not shown here): see "
            "what AIS_AUTHN_TOKEN or Client(..., token=) is set to"
        )
    if token != given:
        client.token = token
    return token


def without_token(text: str, client: RequestClient) -> str:
    """A text of the server's, or of a gateway's, in which the token does not stand; servers may quote it."""
    token = getattr(client, "token", "")
    return text.replace(token, "(token)") if isinstance(token, str) and token else text
