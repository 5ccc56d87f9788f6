"""The handlers of the table on a real socket: bytes in, bytes out, and what only a connection can do wrong.

Messages are decoded here and not by grpc, which answers bad bytes with UNKNOWN and the name of a Python class. A
stream is written by `await context.write`, so one event costs one task switch, whatever stands around the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from typing import Any, NoReturn, cast

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc.call import Call, Metadata, slow_consumer
from thinkaloud_server.rpc.encoding import decode, encode
from thinkaloud_server.rpc.intake import requests_of
from thinkaloud_server.rpc.interceptors import Interceptor, around
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.methods import Method
from thinkaloud_server.rpc.status import CODES, trailers

Context = grpc.aio.ServicerContext[Any, Any]

# What a client calls is its own text; a log or a metric must not be labelled with it.
UNKNOWN_METHOD = "unknown"

_LINGER_S = 2.0
_LINGER_BYTES = 64 * 1024 * 1024


class SocketCall(Call):
    """A call that came over HTTP/2."""

    __slots__ = ("_context",)

    def __init__(self, method: str, context: Context) -> None:
        metadata = cast("Metadata", context.invocation_metadata() or ())
        super().__init__(method=method, metadata=metadata, peer=context.peer())
        self._context = context

    def time_remaining(self) -> float | None:
        return self._context.time_remaining()

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        with _client_may_be_gone():
            await self._context.send_initial_metadata(tuple(metadata))

    async def abort(self, status: status_pb2.Status) -> NoReturn:
        unsent, self.answer_headers = self.answer_headers or (), None
        with _client_may_be_gone():
            await self._context.abort(CODES[status.code], status.message, (*trailers(status), *unsent))
        raise AssertionError("abort returned")


class StallGuard:
    """Cuts a stream whose client takes nothing: that has waited in one write for too long.

    One timer per stream, moved on when it fires: arming one per event would cost more than the event.
    """

    __slots__ = ("_call", "_loop", "_timeout_s", "_timer", "writing_since")

    def __init__(self, call: Call, timeout_s: float) -> None:
        self.writing_since = 0.0
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._timer = self._loop.call_later(timeout_s, self._look)

    def close(self) -> None:
        """The stream ended by itself."""
        self._timer.cancel()

    def _look(self) -> None:
        waited = self._loop.time() - self.writing_since if self.writing_since else 0.0
        if waited < self._timeout_s:
            self._timer = self._loop.call_later(self._timeout_s - waited, self._look)
        else:
            self._call.cut(slow_consumer(self._timeout_s))


def bind(method: Method, interceptors: Sequence[Interceptor], limits: Limits, clock: Clock) -> Any:
    """The grpc handler of one method."""
    if method.stream is not None:
        return grpc.unary_stream_rpc_method_handler(_streaming(method, interceptors, limits, clock))
    if method.intake is not None:
        return grpc.stream_unary_rpc_method_handler(_intake(method, interceptors, limits))
    return grpc.unary_unary_rpc_method_handler(_unary(method, interceptors, limits))


class UnknownMethods(grpc.GenericRpcHandler):
    """Answers whatever nothing else answers: UNIMPLEMENTED, with details and a request id like any refusal."""

    def __init__(self, interceptors: Sequence[Interceptor]) -> None:
        self._interceptors = interceptors

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        # As a stream of requests it can be refused before it has sent one.
        return grpc.stream_stream_rpc_method_handler(self._refuse)

    async def _refuse(self, requests: object, context: Context) -> None:
        async with around(SocketCall(UNKNOWN_METHOD, context), self._interceptors):
            raise ChatError(ErrorReason.UNIMPLEMENTED, "the server does not know this method")


def _unary(
    method: Method, interceptors: Sequence[Interceptor], limits: Limits
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    answer = method.unary
    assert answer is not None

    async def handle(data: bytes, context: Context) -> bytes:
        call = SocketCall(method.path, context)
        async with around(call, interceptors):
            request = decode(method.request, data, limits.request_bytes)
            said = encode(await answer(request, call), limits.response_bytes)
            await call.send_headers()
            return said
        raise AssertionError("a failed call did not abort")

    return handle


def _intake(
    method: Method, interceptors: Sequence[Interceptor], limits: Limits
) -> Callable[[AsyncIterator[bytes], Context], Awaitable[bytes]]:
    answer = method.intake
    assert answer is not None

    async def handle(pieces: AsyncIterator[bytes], context: Context) -> bytes:
        call = SocketCall(method.path, context)
        async with around(call, interceptors):
            try:
                async with aclosing(requests_of(method, pieces, limits)) as requests:
                    said = encode(await answer(requests, call), limits.response_bytes)
                    await call.send_headers()
                    return said
            except ChatError:
                await _linger(context)
                raise
        raise AssertionError("a failed call did not abort")

    return handle


async def _linger(context: Context) -> None:
    """Let the rest of a refused stream come and go, for a while: clients of grpc.aio that are still writing when the
    status comes take it for an internal error of their own."""
    room = _LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while room > 0 and (piece := await context.read()) is not grpc.aio.EOF:
                room -= len(piece)


def _streaming(
    method: Method, interceptors: Sequence[Interceptor], limits: Limits, clock: Clock
) -> Callable[[bytes, Context], Awaitable[None]]:
    answer = method.stream
    assert answer is not None

    async def handle(data: bytes, context: Context) -> None:
        call = SocketCall(method.path, context)
        async with around(call, interceptors):
            messages = answer(decode(method.request, data, limits.request_bytes), call)
            await _write(messages, call, context, limits, clock)

    return handle


async def _write(
    messages: AsyncGenerator[Message, None], call: Call, context: Context, limits: Limits, clock: Clock
) -> None:
    """Write them all, each when the one before it went out."""
    now = asyncio.get_running_loop().time
    guard = StallGuard(call, limits.stall_timeout_s)
    bytes_max = limits.response_bytes
    task = asyncio.current_task()
    assert task is not None
    call.on_cut = task.cancel
    try:
        if call.cut_by is not None:
            raise call.cut_by
        with _client_may_be_gone():
            async with aclosing(messages):
                async for message in messages:
                    data = encode(message, bytes_max)
                    guard.writing_since = now()
                    if not call.events:
                        await call.send_headers()
                    await context.write(data)
                    guard.writing_since = 0.0
                    if not call.events:
                        call.first_event_at = clock.monotonic()
                    call.events += 1
            await call.send_headers()
    except asyncio.CancelledError:
        if call.cut_by is not None and not task.uncancel():
            raise call.cut_by from None
        raise
    finally:
        guard.close()
        call.on_cut = None


@contextmanager
def _client_may_be_gone() -> Iterator[None]:
    """grpc reports a write to a client that left as an error of its own; it is the end of the call."""
    try:
        yield
    except (grpc.aio.AbortError, grpc.aio.UsageError):
        raise
    except grpc.aio.BaseError as error:
        raise asyncio.CancelledError("the client is gone") from error
