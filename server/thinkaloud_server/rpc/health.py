"""grpc.health.v1.Health: what load balancers and grpc_health_probe ask.

Our own servicer behind the same table as every other method. The library's one holds a lock while it writes to a
watcher, so that one stalled watcher would hold up a drain, and forgets the other watchers when one leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from grpc_health.v1 import health_pb2 as pb  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc.call import Call

_SERVING = pb.HealthCheckResponse.SERVING
_NOT_SERVING = pb.HealthCheckResponse.NOT_SERVING
_SERVICE_UNKNOWN = pb.HealthCheckResponse.SERVICE_UNKNOWN


class HealthServicer:
    """SERVING for the server ("") and each of its services, until it drains; then NOT_SERVING for good."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(("", *services))
        self._draining = asyncio.Event()
        self._closing = asyncio.Event()

    def drain(self) -> None:
        """Send no more calls here."""
        self._draining.set()

    def close(self) -> None:
        """End the watches: the server is about to stop and would wait for them."""
        self._draining.set()
        self._closing.set()

    async def check(self, request: pb.HealthCheckRequest, call: Call) -> pb.HealthCheckResponse:
        """How this service is. NOT_FOUND for one that is not here, as the protocol wants it."""
        if request.service not in self._services:
            raise ChatError(ErrorReason.NOT_FOUND, "there is no such service")
        return pb.HealthCheckResponse(status=self._status())

    async def watch(self, request: pb.HealthCheckRequest, call: Call) -> AsyncGenerator[pb.HealthCheckResponse, None]:
        """How it is now, and each change."""
        if request.service not in self._services:
            yield pb.HealthCheckResponse(status=_SERVICE_UNKNOWN)
        else:
            told = self._status()  # it may change while the answer is on its way
            yield pb.HealthCheckResponse(status=told)
            if told == _SERVING:
                await self._draining.wait()
                yield pb.HealthCheckResponse(status=_NOT_SERVING)
        await self._closing.wait()

    async def list(self, request: Any, call: Call) -> Any:
        """How all of them are. Newer releases of the protocol have this method and its messages, older ones neither."""
        statuses = {name: pb.HealthCheckResponse(status=self._status()) for name in sorted(self._services)}
        return pb.HealthListResponse(statuses=statuses)

    def _status(self) -> pb.HealthCheckResponse.ServingStatus:
        return _NOT_SERVING if self._draining.is_set() else _SERVING
