"""The client that the plugin's release 1.5 put into sources, for DataLoader workers."""

from __future__ import annotations

from aistore.sdk.request_client import RequestClient


class WorkerRequestClient(RequestClient):
    """Another client of the same cluster; the SDK's own gives each process a session of its own by now.

    Args:
        client (RequestClient): Whose settings to take over.
    """

    def __init__(self, client: RequestClient) -> None:
        super().__init__(client.base_url, client.session_manager, client.timeout, client.token)
