"""One call, on whatever channel it came: what interceptors and servicers know of it, and nothing of sockets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NoReturn

from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud_server.core.event import Complete

Metadata = Sequence[tuple[str, str | bytes]]


class Call(ABC):
    """What one call brought, and what is noted on it for its log record. A channel says how it is answered."""

    __slots__ = ("code", "complete", "events", "first_event_at", "metadata", "method", "peer", "request_id", "run_id")

    def __init__(self, *, method: str, metadata: Metadata, peer: str) -> None:
        self.method = method
        self.metadata = metadata
        self.peer = peer
        self.request_id = ""
        self.run_id = ""
        self.code = ""
        self.complete: Complete | None = None
        self.events = 0
        self.first_event_at = 0.0

    def header(self, name: str) -> str:
        """The first value of this metadata key; "" when it was not sent."""
        for key, value in self.metadata:
            if key == name and isinstance(value, str):
                return value
        return ""

    @abstractmethod
    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None when it has none."""

    @abstractmethod
    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Send the headers now."""

    @abstractmethod
    async def abort(self, status: status_pb2.Status) -> NoReturn:
        """End the call with this status; raises what ends its handler."""


def tenant_of(call: Call) -> str:
    """Whose call it is. Everybody is one tenant until there are keys."""
    return "default"
