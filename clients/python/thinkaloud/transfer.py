"""Files over the channel, async and sync: one attempt after another, each a call that streams."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import grpc
import grpc.aio

from thinkaloud.authorization import Authorization
from thinkaloud.connection import Connection, SyncConnection, error_from_call
from thinkaloud.errors import ConnectionLostError, ThinkaloudError
from thinkaloud.upload import Attempts, Sink, Source
from thinkaloud.v1.upload_service_pb2 import GetUploadRequest, Upload, UploadRequest

Value = TypeVar("Value")


async def send(connection: Connection, source: Source, patience_s: float) -> Upload:
    """Send the file. Raises ThinkaloudError, and OSError where it cannot be read."""

    async def attempt() -> Upload:
        call = connection.upload(await connection.metadata())
        try:
            requests = source.requests()
            # Files block, and so are read in a thread; the next piece only when the one before has gone.
            while (message := await asyncio.to_thread(next, requests, None)) is not None:
                try:
                    await call.write(message)
                except (asyncio.InvalidStateError, grpc.RpcError):
                    break  # it has ended; its status says how
            else:
                await call.done_writing()
            upload: Upload = (await call).upload
            return upload
        finally:
            call.cancel()

    return await _insistently(attempt, connection.authorization, Attempts(patience_s), source.rewind)


async def fetch(connection: Connection, upload_id: str, sink: Sink, patience_s: float) -> Upload:
    """Write the file. Raises ThinkaloudError, and OSError where it cannot be written."""

    async def attempt() -> Upload:
        request = GetUploadRequest(upload_id=upload_id)
        call = connection.download(request, await connection.metadata())
        try:
            async for message in call:
                await asyncio.to_thread(sink.feed, message)
        finally:
            call.cancel()
        return await asyncio.to_thread(sink.finish)

    return await _insistently(attempt, connection.authorization, Attempts(patience_s), sink.rewind)


async def _insistently(
    attempt: Callable[[], Awaitable[Value]],
    authorization: Authorization,
    attempts: Attempts,
    rewind: Callable[[], bool],
) -> Value:
    renewed = False
    while True:
        task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        try:
            return await attempt()
        except grpc.RpcError as failure:
            error = error_from_call(failure)
        except asyncio.CancelledError:
            if task.cancelling() > cancelling:
                raise
            # Not we but the call was cancelled: by what stands between, or because the client was closed.
            error = ConnectionLostError("the call was cancelled", code="CANCELLED", retryable=True)
        if not renewed and authorization.outlived(error) and rewind():
            renewed = True
            continue
        now_s = asyncio.get_running_loop().time()
        await asyncio.sleep(attempts.failed(error, now_s=now_s, jitter=random.random(), rewind=rewind))


def sync_send(connection: SyncConnection, source: Source, patience_s: float) -> Upload:
    """Send the file. Raises ThinkaloudError, and OSError where it cannot be read."""

    def attempt() -> Upload:
        metadata = connection.metadata()
        requests = _Requests(source)
        call = connection.upload(requests, metadata)
        try:
            upload: Upload = call.result().upload
        except grpc.RpcError:
            if requests.failure is not None:
                raise requests.failure from None
            raise
        finally:
            requests.stop()
            call.cancel()
        return upload

    return _sync_insistently(attempt, connection.authorization, Attempts(patience_s), source.rewind)


def sync_fetch(connection: SyncConnection, upload_id: str, sink: Sink, patience_s: float) -> Upload:
    """Write the file. Raises ThinkaloudError, and OSError where it cannot be written."""

    def attempt() -> Upload:
        request = GetUploadRequest(upload_id=upload_id)
        call = connection.download(request, connection.metadata())
        try:
            for message in call:
                sink.feed(message)
        finally:
            call.cancel()
        return sink.finish()

    return _sync_insistently(attempt, connection.authorization, Attempts(patience_s), sink.rewind)


def _sync_insistently(
    attempt: Callable[[], Value], authorization: Authorization, attempts: Attempts, rewind: Callable[[], bool]
) -> Value:
    renewed = False
    while True:
        error: ThinkaloudError
        try:
            return attempt()
        except grpc.RpcError as failure:
            error = error_from_call(failure)
        if not renewed and authorization.outlived(error) and rewind():
            renewed = True
            continue
        time.sleep(attempts.failed(error, now_s=time.monotonic(), jitter=random.random(), rewind=rewind))


class _Requests:
    """Read by a thread of gRPC's, which must be done with the file before anybody else touches it, and whose failures
    would only be logged: one that cannot be read ends without its end, so nothing of it is kept."""

    def __init__(self, source: Source) -> None:
        self.failure: Exception | None = None
        self._requests = source.requests()
        self._reading = threading.Lock()
        self._stopped = False

    def __iter__(self) -> Iterator[UploadRequest]:
        return self

    def __next__(self) -> UploadRequest:
        with self._reading:
            if self._stopped:
                raise StopIteration
            try:
                return next(self._requests)
            except StopIteration:
                raise
            except Exception as failure:
                self.failure = failure
                raise StopIteration from None

    def stop(self) -> None:
        with self._reading:
            self._stopped = True
