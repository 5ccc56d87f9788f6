"""The async stream: drives a `Cursor` over grpc.aio, and cleans up when its caller leaves.

grpc.aio does not cancel a call whose iteration is left by `break`, and cancels it at once when the reading task is
cancelled. So the call is owned here: reads before `start` are shielded (leaving still needs the run's id), and `aclose`
ends the run and then the call.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import grpc

from thinkaloud import calls
from thinkaloud.authorization import Metadata
from thinkaloud.connection import Connection, error_from_call
from thinkaloud.errors import ThinkaloudError
from thinkaloud.events import Event
from thinkaloud.resume import Cursor, silent, stream_closed
from thinkaloud.v1 import run_service_pb2

# The contract's bound for telling the server that the caller has left.
LEAVE_S = 1.0
# How long the status after the terminal event may take; it says nothing new, and the server's log is tidier with it.
TRAILER_S = 0.5


class Stream:
    """The events of one run. Made by `Client.stream` and `Client.watch`.

    Enter it (`async with`) and iterate it; leaving the block cleans up, by whatever way it is left. Entering begins the
    run and returns when `start` has come, which is still the first event. Iterated without being entered, it cleans up
    when the iteration ends or the event loop finds the iterator abandoned. Raises ThinkaloudError.
    """

    def __init__(self, connection: Connection, cursor: Cursor, *, silence_s: float) -> None:
        self._connection = connection
        self._cursor = cursor
        self._silence_s = silence_s
        self._entered = False
        self._ahead: deque[Event] = deque()
        self._call: Any = None
        self._responses: AsyncIterator[Any] | None = None
        self._first_read: asyncio.Future[Any] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._left = asyncio.Event()
        self._watchdog: asyncio.TimerHandle | None = None
        self._reading_since_s: float | None = None
        self._fell_silent = False
        self._cancellations = 0

    @property
    def run_id(self) -> str:
        """The run; empty before `start` has come."""
        return self._cursor.run_id

    @property
    def last_sequence(self) -> int:
        """The last sequence that was passed: what `Client.watch` takes to go on from here."""
        return self._cursor.last_sequence

    async def __aenter__(self) -> Self:
        self._entered = True
        try:
            while not self._cursor.run_id and not self._cursor.ended:
                self._ahead.append(await self._next())
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self if self._entered else self._iterate()

    async def __anext__(self) -> Event:
        if self._ahead:
            return self._ahead.popleft()
        if self._cursor.ended:
            await self._finish()
            raise StopAsyncIteration
        return await self._next()

    async def aclose(self) -> None:
        """Leave: end the run unless it has ended or was detached, then end the call. At most a second; never raises.

        A cancellation that comes meanwhile does not interrupt the work; `Client.close` waits for it.
        """
        if self._leaving is None:
            self._left.set()
            self._leaving = asyncio.get_running_loop().create_task(self._leave())
        await asyncio.shield(self._leaving)

    async def _iterate(self) -> AsyncIterator[Event]:
        """The iterator of a stream that was not entered: ends the stream when it is itself ended."""
        try:
            while True:
                try:
                    event = await self.__anext__()
                except StopAsyncIteration:
                    return
                yield event
        finally:
            await self.aclose()

    async def _next(self) -> Event:
        """The next event, over as many calls as it takes."""
        while True:
            if self._left.is_set():
                raise stream_closed()
            error: ThinkaloudError | None = None
            try:
                event = await self._step()
            except StopAsyncIteration:
                pass
            except grpc.RpcError as failure:
                error = error_from_call(failure)
            except ThinkaloudError as failure:
                error = failure
            except asyncio.CancelledError:
                if _cancellations() > self._cancellations:
                    raise
                error = silent(self._silence_s) if self._fell_silent else stream_closed()
            else:
                if event is not None:
                    return event
                continue
            self._drop_call()
            now_s = asyncio.get_running_loop().time()
            renewed = error is not None and self._connection.authorization.outlived(error)
            delay_s = self._cursor.broke(error, now_s=now_s, jitter=random.random(), renewed=renewed)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._left.wait()

    async def _step(self) -> Event | None:
        """One answer of the server; None when it holds nothing to show."""
        if self._responses is None:
            request = self._cursor.request()
            if isinstance(request, run_service_pb2.GetRunRequest):
                return self._cursor.settle(await self._connection.send(calls.read_run(request)))
            metadata = await self._connection.metadata()
            if self._left.is_set():
                raise stream_closed()
            self._responses = self._open(request, metadata)
        self._reading_since_s = asyncio.get_running_loop().time()
        try:
            response = await (anext(self._responses) if self._cursor.run_id else self._read_first(self._responses))
        finally:
            self._reading_since_s = None
        return self._cursor.feed(response.event)

    def _open(self, request: Any, metadata: Metadata) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()
        self._connection.open_streams.add(self.aclose)
        self._fell_silent = False
        self._cancellations = _cancellations()
        self._call = self._connection.open(request, self._cursor.left_s(loop.time()), metadata)
        if self._watchdog is None:
            self._watchdog = loop.call_later(self._silence_s, self._check_silence)
        responses: AsyncIterator[Any] = self._call.__aiter__()
        return responses

    async def _read_first(self, responses: AsyncIterator[Any]) -> Any:
        """A read that outlives its caller's cancellation, for `_await_start` to go on with."""
        if self._first_read is None:
            self._first_read = asyncio.ensure_future(_advance(responses))
        reading = self._first_read
        try:
            response = await asyncio.shield(reading)
        finally:
            if reading.done() and _cancellations() == self._cancellations:
                self._first_read = None
        if response is None:
            raise StopAsyncIteration
        return response

    def _check_silence(self) -> None:
        """One timer per stream: while we wait for something, the server's heartbeats are to come every 15 s."""
        loop = asyncio.get_running_loop()
        waited_s = 0.0 if self._reading_since_s is None else loop.time() - self._reading_since_s
        if waited_s >= self._silence_s and self._call is not None:
            self._fell_silent = True
            self._call.cancel()
            waited_s = 0.0
        self._watchdog = loop.call_later(self._silence_s - waited_s, self._check_silence)

    async def _leave(self) -> None:
        try:
            if self._cursor.stops_on_leaving:
                async with asyncio.timeout(LEAVE_S):
                    await self._await_start()
                    if self._cursor.run_id and not self._cursor.ended:
                        await self._connection.send(calls.stop_run(self._cursor.run_id))
        except (TimeoutError, ThinkaloudError):
            pass  # the server gives the run up when its `detach` has passed
        finally:
            if self._watchdog is not None:
                self._watchdog.cancel()
            self._drop_call()
            if self._first_read is not None:
                await asyncio.gather(self._first_read, return_exceptions=True)
            self._connection.open_streams.discard(self.aclose)

    async def _await_start(self) -> None:
        """Read on until the run's id is known, on the call that is open. A broken one is not opened again."""
        while not self._cursor.run_id and self._responses is not None:
            reading = self._first_read or asyncio.ensure_future(_advance(self._responses))
            self._first_read = reading
            await asyncio.wait({reading})
            if reading is self._first_read:
                self._first_read = None
            if reading.cancelled() or reading.exception() is not None or reading.result() is None:
                return
            self._cursor.feed(reading.result().event)

    async def _finish(self) -> None:
        """Let the stream end by itself after its terminal event, so that the server sees a call that ran to its end."""
        if self._responses is not None and self._leaving is None:
            with suppress(grpc.RpcError, TimeoutError):
                async with asyncio.timeout(TRAILER_S):
                    await _advance(self._responses)
        self._drop_call()

    def _drop_call(self) -> None:
        if self._call is not None:
            self._call.cancel()
        self._call = self._responses = None


async def _advance(responses: AsyncIterator[Any]) -> Any:
    """The next response; None at the end, because a task cannot raise StopAsyncIteration."""
    return await anext(responses, None)


def _cancellations() -> int:
    """How often the running task was cancelled: tells its cancellation from that of a call, which raises the same."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0
