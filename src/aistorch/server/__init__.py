"""An embedded AIStore: the server a laptop, a demo or a test runs against."""

from aistorch.server.embedded import EmbeddedAIStore, ServerStartError
from aistorch.server.faults import Fault, Faults

__all__ = ["EmbeddedAIStore", "Fault", "Faults", "ServerStartError"]
