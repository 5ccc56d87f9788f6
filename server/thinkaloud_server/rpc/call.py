"""One call, on whatever channel it came: what interceptors and servicers know of it, and nothing of sockets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NoReturn

from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete
from thinkaloud_server.core.identity import ANYBODY

Metadata = Sequence[tuple[str, str | bytes]]


class Call(ABC):
    """What one call brought, and what is noted on it for its log record. A channel says how it is answered.

    `peer` is the other end of the connection, `address` the caller's own, beyond proxies that are trusted; "" where it
    has none. `answer_headers` gathers what is sent ahead of the answer, with its first message; None once it was sent.
    A failure that comes before has it among its trailers: proxies repeat an UNAVAILABLE elsewhere only where it came
    alone. `cut_by` is why a stream was ended from outside, and `on_cut` how its channel calls it out of wherever it
    waits. `guessed` is set where a credential that is not valid was no reason to refuse the call.
    """

    __slots__ = (
        *("address", "answer_headers", "code", "complete", "cut_by", "events", "first_event_at", "guessed"),
        *("identity", "metadata", "method", "on_cut", "peer", "request_id", "run_id"),
    )

    def __init__(self, *, method: str, metadata: Metadata, peer: str) -> None:
        self.method = method
        self.metadata = metadata
        self.peer = peer
        self.address = ""
        self.guessed = False
        self.answer_headers: list[tuple[str, str]] | None = []
        self.identity = ANYBODY
        self.request_id = ""
        self.run_id = ""
        self.code = ""
        self.complete: Complete | None = None
        self.events = 0
        self.first_event_at = 0.0
        self.cut_by: ChatError | None = None
        self.on_cut: Callable[[], object] | None = None

    def cut(self, error: ChatError) -> None:
        """End this stream now with this error, wherever its handler waits. A unary call goes on to its answer."""
        if self.cut_by is None:
            self.cut_by = error
            if self.on_cut is not None:
                self.on_cut()

    def header(self, name: str) -> str:
        """The first value of this metadata key; "" when it was not sent."""
        for key, value in self.metadata:
            if key == name and isinstance(value, str):
                return value
        return ""

    def header_values(self, name: str) -> list[str]:
        """All values of this metadata key, in their order."""
        return [value for key, value in self.metadata if key == name and isinstance(value, str)]

    async def send_headers(self) -> None:
        """Send what was gathered in `answer_headers`, once: before the first message of an answer."""
        if self.answer_headers is not None:
            gathered, self.answer_headers = self.answer_headers, None
            await self.send_initial_metadata(gathered)

    @abstractmethod
    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None when it has none."""

    @abstractmethod
    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Send the headers now."""

    @abstractmethod
    async def abort(self, status: status_pb2.Status) -> NoReturn:
        """End the call with this status; raises what ends its handler."""


def slow_consumer(stall_timeout_s: float) -> ChatError:
    """What a stream ends with whose client takes nothing."""
    return ChatError(
        ErrorReason.SLOW_CONSUMER, f"nothing was read for {stall_timeout_s:g} s: resume the run with WatchRun"
    )


def tenant_of(call: Call) -> str:
    """Whose call it is: everything that is stored belongs to a tenant."""
    return call.identity.tenant
