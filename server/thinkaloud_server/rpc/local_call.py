"""One call inside the process: what its handler sees of it, and what its client is told: its deadline, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import grpc
from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.rpc.call import Call, Metadata
from thinkaloud_server.rpc.status import CODES, status_of, trailers


class Ended(NamedTuple):
    """How a call ended, for its client."""

    code: grpc.StatusCode
    details: str
    trailing: Metadata = ()
    left: bool = False  # by this client itself, who is told with CancelledError


OK = Ended(grpc.StatusCode.OK, "")
# The words are those of grpc's own channel.
LEFT = Ended(grpc.StatusCode.CANCELLED, "Locally cancelled by application!", left=True)
_EXPIRED = Ended(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


def refusal(error: ChatError, request_id: str) -> Ended:
    """The end with this error, without a handler."""
    return _with(status_of(error, request_id))


def _with(status: status_pb2.Status) -> Ended:
    return Ended(CODES[status.code], status.message, trailers(status))


class LocalCall(Call):
    """The handler's view of a call that came from inside the process."""

    __slots__ = ("_deadline", "_headers", "_now", "expired", "refused")

    def __init__(self, method: str, metadata: Metadata, peer: str, timeout_s: float | None) -> None:
        super().__init__(method=method, metadata=metadata, peer=peer)
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self._deadline = None if timeout_s is None else loop.time() + timeout_s
        self._headers: asyncio.Future[Metadata] = loop.create_future()
        self.expired = False
        self.refused: Ended | None = None

    def time_remaining(self) -> float | None:
        if self._deadline is None:
            return None
        # Timers may fire a moment early; the deadline has then passed all the same.
        return 0.0 if self.expired else max(self._deadline - self._now(), 0.0)

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        if not self._headers.done():
            self._headers.set_result(metadata)

    async def abort(self, status: status_pb2.Status) -> NoReturn:
        await self.send_headers()
        self.refused = _with(status)
        raise grpc.aio.AbortError(status.message)

    async def headers(self) -> Metadata:
        """What was sent ahead of the answer, once it was."""
        return self._headers.result() if self._headers.done() else await asyncio.shield(self._headers)

    def no_headers(self) -> None:
        """The call ended; whoever waits for headers has nothing to wait for."""
        if not self._headers.done():
            self._headers.set_result(())

    @property
    def headers_sent(self) -> Metadata:
        return self._headers.result() if self._headers.done() else ()


class LocalRpc(grpc.aio.Call):
    """The client's object of a call: its deadline, its end, and everything that is told of both."""

    # A network channel of this process that is closed looks for its calls among all tasks, takes this one for one of
    # grpc's own, and fails unless it says that its channel is another.
    _channel = None

    def __init__(self, call: LocalCall, timeout_s: float | None, ended: Callable[[LocalRpc], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._call = call
        self._ended: Ended | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._callbacks: list[Callable[[Any], None]] = [ended]
        self._timer = None if timeout_s is None else self._loop.call_later(max(timeout_s, 0.0), self.expire)

    def _interrupt(self) -> None:
        """Make the handler end: nobody waits for it any more."""
        raise NotImplementedError

    def cut(self, ended: Ended) -> bool:
        """End the call now, whatever its handler is doing."""
        if not self._conclude(ended):
            return False
        self._interrupt()
        return True

    def expire(self) -> None:
        """The deadline has passed."""
        self._call.expired = True
        self.cut(_EXPIRED)

    def _conclude(self, ended: Ended) -> bool:
        if self._ended is not None:
            return False
        self._ended = ended
        if self._timer is not None:
            self._timer.cancel()
        self._call.no_headers()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        for callback in self._callbacks:
            callback(self)
        return True

    async def _end(self) -> Ended:
        """How it ended, once it has."""
        if self._ended is None:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter
        assert self._ended is not None
        return self._ended

    def _raise_unless_ok(self) -> None:
        ended = self._ended
        assert ended is not None
        if ended.left:
            raise asyncio.CancelledError
        if ended is not OK:
            raise grpc.aio.AioRpcError(
                ended.code, _metadata(self._call.headers_sent), _metadata(ended.trailing), ended.details
            )

    # What grpc.aio.Call promises.

    def cancelled(self) -> bool:
        return self._ended is not None and self._ended.code is grpc.StatusCode.CANCELLED

    def done(self) -> bool:
        return self._ended is not None

    def time_remaining(self) -> float | None:
        return self._call.time_remaining()

    def cancel(self) -> bool:
        return self.cut(LEFT)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if self._ended is not None:
            callback(self)
        else:
            self._callbacks.append(callback)

    async def initial_metadata(self) -> grpc.aio.Metadata:
        return _metadata(await self._call.headers())

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return _metadata((await self._end()).trailing)

    async def code(self) -> grpc.StatusCode:
        return (await self._end()).code

    async def details(self) -> str:
        return (await self._end()).details

    async def wait_for_connection(self) -> None:
        if self._ended is not None:
            self._raise_unless_ok()


def _metadata(pairs: Metadata) -> grpc.aio.Metadata:
    return grpc.aio.Metadata.from_tuple(tuple(pairs))
