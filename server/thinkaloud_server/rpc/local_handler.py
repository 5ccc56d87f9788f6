"""Handlers of the table, driven inside the process by the client's object of the call.

There is no queue between them. A unary handler has a task of its own. A stream begins in one, which brings its first
message, as on a socket; every further message is pulled out of the handler by the task that reads, so that an event
that is there costs no turn of the loop. What follows from that: an interceptor or a streaming handler holds nothing
across a message that belongs to a task (`asyncio.timeout`, a task group, a context variable's token).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, suppress
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc.call import slow_consumer
from thinkaloud_server.rpc.encoding import check_answer, encode
from thinkaloud_server.rpc.intake import taken
from thinkaloud_server.rpc.interceptors import Interceptor, around
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.local_call import LEFT, OK, Ended, LocalCall, LocalRpc, refusal
from thinkaloud_server.rpc.methods import Method

# A page of the log is read without waiting; others' streams must not wait for the whole of it.
_BURST_EVENTS = 64


class Handling(NamedTuple):
    """What answers a call: the method, None for one that nobody knows, and what stands around it."""

    method: Method | None
    interceptors: tuple[Interceptor, ...]
    limits: Limits
    clock: Clock


class LocalAnswer(LocalRpc):
    """One answer, made by a task of its own."""

    def __init__(
        self,
        handling: Handling,
        call: LocalCall,
        timeout_s: float | None,
        ended: Callable[[LocalRpc], None],
        *,
        as_bytes: bool,
    ) -> None:
        super().__init__(call, timeout_s, ended)
        self._answer: Message | bytes | None = None
        self._task = self._loop.create_task(self._run(handling, as_bytes))

    async def _ask(self, method: Method, limits: Limits) -> Message:
        """What the method answers."""
        raise NotImplementedError

    async def _run(self, handling: Handling, as_bytes: bool) -> None:
        method, _, limits, _ = handling
        try:
            async with around(self._call, handling.interceptors):
                if method is None:
                    raise unknown()
                self._answer = given(await self._ask(method, limits), limits, as_bytes)
                await self._call.send_headers()
        except grpc.aio.AbortError:
            assert self._call.refused is not None
            self._conclude(self._call.refused)
        except BaseException as error:
            self._conclude(broken(error))
            raise
        self._conclude(OK)

    def _interrupt(self) -> None:
        self._task.cancel()

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            yield from self._end().__await__()
        except asyncio.CancelledError:
            self.cancel()
            raise
        self._raise_unless_ok()
        return self._answer


class LocalUnary(LocalAnswer, grpc.aio.UnaryUnaryCall[Any, Any]):
    """One request, one answer."""

    def __init__(
        self,
        handling: Handling,
        call: LocalCall,
        request: Message | bytes,
        timeout_s: float | None,
        ended: Callable[[LocalRpc], None],
        *,
        as_bytes: bool,
    ) -> None:
        self._request = request
        super().__init__(handling, call, timeout_s, ended, as_bytes=as_bytes)

    async def _ask(self, method: Method, limits: Limits) -> Message:
        if method.unary is None:
            raise unknown()
        return await method.unary(taken(method, self._request, limits), self._call)


class LocalStream(LocalRpc, grpc.aio.UnaryStreamCall[Any, Any]):
    """Many answers, each pulled out of the handler by who reads. Whoever reads nothing for too long is cut."""

    def __init__(
        self,
        handling: Handling,
        call: LocalCall,
        request: Message | bytes,
        timeout_s: float | None,
        ended: Callable[[LocalRpc], None],
        *,
        as_bytes: bool,
    ) -> None:
        super().__init__(call, timeout_s, ended)
        self._messages = _stream(handling, call, request, as_bytes)
        self._stall_s = handling.limits.stall_timeout_s
        self._idle_since = 0.0
        self._guard: asyncio.TimerHandle | None = None
        # The task that is inside the handler now, and whether it was called out of there.
        self._reader: asyncio.Task[Any] | None = None
        self._interrupted = False
        self._closing: asyncio.Task[None] | None = None
        self._first: Any = None
        self._starting: asyncio.Task[None] | None = self._loop.create_task(self._start())
        call.on_cut = self._refuse

    def __aiter__(self) -> LocalStream:
        return self

    async def __anext__(self) -> Any:
        message = await self._next()
        if message is grpc.aio.EOF:
            self._raise_unless_ok()
            raise StopAsyncIteration
        return message

    async def read(self) -> Any:
        message = await self._next()
        if message is grpc.aio.EOF:
            self._raise_unless_ok()
        return message

    async def _start(self) -> None:
        first = await self._step()
        self._starting = None
        if first is not grpc.aio.EOF:
            self._first = first
            self._guard = self._loop.call_later(self._stall_s, self._look)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _next(self) -> Any:
        while self._starting is not None and self._ended is None:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self.cancel()
                raise
        if self._ended is not None:
            return grpc.aio.EOF
        if self._first is not None:
            first, self._first = self._first, None
            self._idle_since = self._loop.time()
            return first
        return await self._step()

    async def _step(self) -> Any:
        """The next message out of the handler; EOF when the call has ended, however it did."""
        task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._reader = task
        self._idle_since = 0.0
        try:
            message = await anext(self._messages)
            if self._ended is None:
                self._idle_since = self._loop.time()
                return message
            # The handler did not let itself be called out.
            self._close()
        except StopAsyncIteration:
            self._conclude(OK)
        except grpc.aio.AbortError:
            assert self._call.refused is not None
            self._conclude(self._call.refused)
        except asyncio.CancelledError:
            if not self._interrupted:
                self._conclude(LEFT)
                raise
        except BaseException as error:
            self._conclude(broken(error))
            raise
        finally:
            self._reader = None
        if self._interrupted and task.uncancel() > cancelling:
            raise asyncio.CancelledError
        return grpc.aio.EOF

    def _conclude(self, ended: Ended) -> bool:
        if self._guard is not None:
            self._guard.cancel()
        self._first = None
        self._call.on_cut = None  # the two would keep each other alive
        return super()._conclude(ended)

    def _interrupt(self) -> None:
        if self._reader is not None:
            self._interrupted = True
            self._reader.cancel()
        elif self._starting is not None:
            self._starting.cancel()  # nothing has begun
        else:
            self._close()

    def _look(self) -> None:
        waited = self._loop.time() - self._idle_since if self._idle_since else 0.0
        if waited < self._stall_s:
            self._guard = self._loop.call_later(self._stall_s - waited, self._look)
            return
        self._call.cut(slow_consumer(self._stall_s))

    def _refuse(self) -> None:
        """The server ends the stream."""
        assert self._call.cut_by is not None
        self.cut(refusal(self._call.cut_by, self._call.request_id))

    def _close(self) -> None:
        """Leave the handler where it stands, between two messages."""

        async def close() -> None:
            with suppress(grpc.aio.AbortError, asyncio.CancelledError, StopAsyncIteration):
                await self._messages.athrow(asyncio.CancelledError())

        self._closing = self._loop.create_task(close())


async def _stream(
    handling: Handling, call: LocalCall, request: Message | bytes, as_bytes: bool
) -> AsyncGenerator[Message | bytes, None]:
    """The whole call: its interceptors around what its handler says."""
    method, _, limits, clock = handling
    async with around(call, handling.interceptors):
        if method is None or method.stream is None:
            raise unknown()
        messages = method.stream(taken(method, request, limits), call)
        del request  # a stream may live for hours
        try:
            async with aclosing(messages):
                async for message in messages:
                    said = given(message, limits, as_bytes)
                    if not call.events:
                        await call.send_headers()
                        call.first_event_at = clock.monotonic()
                    call.events += 1
                    yield said
                    if not call.events % _BURST_EVENTS:
                        await asyncio.sleep(0)
            await call.send_headers()
        except asyncio.CancelledError:
            if call.cut_by is not None:
                raise call.cut_by from None
            raise


def given(answer: Message, limits: Limits, as_bytes: bool) -> Message | bytes:
    if as_bytes:
        return encode(answer, limits.response_bytes)
    check_answer(answer.ByteSize(), limits.response_bytes)
    return answer


def unknown() -> ChatError:
    return ChatError(ErrorReason.UNIMPLEMENTED, "the server does not know this method")


def broken(error: BaseException) -> Ended:
    """A handler's task that was ended from outside, or a mistake in an interceptor: what grpc makes of either."""
    if isinstance(error, asyncio.CancelledError):
        return LEFT
    return Ended(grpc.StatusCode.UNKNOWN, f"Unexpected {type(error).__name__}")
