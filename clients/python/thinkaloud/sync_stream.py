"""The sync stream: the twin of stream.py over grpc's threads."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import grpc

from thinkaloud import calls
from thinkaloud.connection import SyncConnection, error_from_call
from thinkaloud.errors import ThinkaloudError
from thinkaloud.events import Event
from thinkaloud.resume import Cursor, silent, stream_closed
from thinkaloud.stream import LEAVE_S, TRAILER_S
from thinkaloud.v1 import run_service_pb2


class SyncStream:
    """The events of one run. Made by `SyncClient.stream` and `SyncClient.watch`.

    Enter it (`with`) and iterate it; leaving the block cleans up, by whatever way it is left. Entering begins the run
    and returns when `start` has come, which is still the first event. Iterated without being entered, it cleans up
    when the iteration ends or the iterator is collected. One thread reads it; any may close it. Raises ThinkaloudError.
    """

    def __init__(self, connection: SyncConnection, cursor: Cursor, *, silence_s: float) -> None:
        self._connection = connection
        self._cursor = cursor
        self._silence_s = silence_s
        self._entered = False
        self._closed = threading.Event()
        # Held while a thread waits for the next response: grpc lets one at a time.
        self._reading = threading.Lock()
        self._ahead: deque[Event] = deque()
        self._call: Any = None
        self._watchdog: threading.Timer | None = None
        self._reading_since_s: float | None = None
        self._fell_silent = False

    @property
    def run_id(self) -> str:
        """The run; empty before `start` has come."""
        return self._cursor.run_id

    @property
    def last_sequence(self) -> int:
        """The last sequence that was passed: what `SyncClient.watch` takes to go on from here."""
        return self._cursor.last_sequence

    def __enter__(self) -> Self:
        self._entered = True
        try:
            while not self._cursor.run_id and not self._cursor.ended:
                self._ahead.append(self._next())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        return self if self._entered else self._iterate()

    def __next__(self) -> Event:
        if self._ahead:
            return self._ahead.popleft()
        if self._cursor.ended:
            self._finish()
            raise StopIteration
        return self._next()

    def close(self) -> None:
        """Leave: end the run unless it has ended or was detached, then end the call. At most a second."""
        if self._closed.is_set():
            return
        self._closed.set()
        leave_by_s = time.monotonic() + LEAVE_S
        try:
            if self._cursor.stops_on_leaving:
                self._await_start(leave_by_s)
                left_s = leave_by_s - time.monotonic()
                if self._cursor.run_id and not self._cursor.ended and left_s > 0:
                    self._connection.send(calls.stop_run(self._cursor.run_id), timeout_s=left_s)
        except ThinkaloudError:
            pass  # the server gives the run up when its `detach` has passed
        finally:
            if self._watchdog is not None:
                self._watchdog.cancel()
            self._drop_call()
            self._connection.open_streams.discard(self.close)

    def _iterate(self) -> Iterator[Event]:
        """The iterator of a stream that was not entered: ends the stream when it is itself ended."""
        try:
            while True:
                try:
                    event = self.__next__()
                except StopIteration:
                    return
                yield event
        finally:
            self.close()

    def _next(self) -> Event:
        """The next event, over as many calls as it takes."""
        while True:
            if self._closed.is_set():
                raise stream_closed()
            error: ThinkaloudError | None = None
            try:
                event = self._step()
            except StopIteration:
                pass
            except grpc.RpcError as failure:
                error = silent(self._silence_s) if self._fell_silent else error_from_call(failure)
            except ThinkaloudError as failure:
                error = failure
            else:
                if event is not None:
                    return event
                continue
            self._drop_call()
            if not self._closed.is_set():
                renewed = error is not None and self._connection.authorization.outlived(error)
                now_s = time.monotonic()
                self._closed.wait(self._cursor.broke(error, now_s=now_s, jitter=random.random(), renewed=renewed))

    def _step(self) -> Event | None:
        """One answer of the server; None when it holds nothing to show."""
        call = self._call
        if call is None:
            request = self._cursor.request()
            if isinstance(request, run_service_pb2.GetRunRequest):
                return self._cursor.settle(self._connection.send(calls.read_run(request)))
            metadata = self._connection.metadata()
            if self._closed.is_set():
                raise stream_closed()
            self._connection.open_streams.add(self.close)
            self._fell_silent = False
            call = self._call = self._connection.open(request, self._cursor.left_s(time.monotonic()), metadata)
            if self._watchdog is None:
                self._watch_silence_for(self._silence_s)
        self._reading_since_s = time.monotonic()
        try:
            with self._reading:
                return self._cursor.feed(next(call).event)
        finally:
            self._reading_since_s = None

    def _watch_silence_for(self, seconds: float) -> None:
        self._watchdog = threading.Timer(seconds, self._check_silence)
        self._watchdog.daemon = True
        self._watchdog.start()
        if self._closed.is_set():
            self._watchdog.cancel()

    def _check_silence(self) -> None:
        """One timer per stream: while we wait for something, the server's heartbeats are to come every 15 s."""
        if self._closed.is_set():
            return
        since_s, call = self._reading_since_s, self._call
        waited_s = 0.0 if since_s is None else time.monotonic() - since_s
        if waited_s >= self._silence_s and call is not None:
            self._fell_silent = True
            call.cancel()
            waited_s = 0.0
        self._watch_silence_for(self._silence_s - waited_s)

    def _await_start(self, until_s: float) -> None:
        """Read on until the run's id is known, on the call that is open. A broken one is not opened again."""
        if self._cursor.run_id or self._call is None:
            return
        call = self._call
        # Where another thread is reading, `start` reaches the cursor through it.
        if not self._reading.acquire(timeout=max(0.0, until_s - time.monotonic())):
            return
        try:
            with _cancelled_at(call, until_s), suppress(grpc.RpcError):
                while not self._cursor.run_id and (response := next(call, None)) is not None:
                    self._cursor.feed(response.event)
        finally:
            self._reading.release()

    def _finish(self) -> None:
        """Let the stream end by itself after its terminal event, so that the server sees a call that ran to its end."""
        if self._call is not None and not self._closed.is_set():
            with _cancelled_at(self._call, time.monotonic() + TRAILER_S), suppress(grpc.RpcError):
                next(self._call, None)
        self._drop_call()

    def _drop_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()


class _cancelled_at:
    """Cancels a call that a block waits for when the moment comes: grpc's iteration itself takes no timeout."""

    def __init__(self, call: Any, until_s: float) -> None:
        self._timer = threading.Timer(max(0.0, until_s - time.monotonic()), call.cancel)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
