"""A client-streaming call inside the process: its requests go from hand to hand, one at a time.

There is no queue here either: a write ends when the handler took the message, so that whoever writes is never more
than one message ahead of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import Message

from thinkaloud_server.rpc.intake import requests_of
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.local_call import LEFT, Ended, LocalCall, LocalRpc
from thinkaloud_server.rpc.local_handler import Handling, LocalAnswer, unknown
from thinkaloud_server.rpc.methods import Method

logger = logging.getLogger("thinkaloud.rpc")

Requests = AsyncIterable[Any] | Iterable[Any]
Crossing = Callable[[Any], Message | bytes]


class HandOver:
    """Two tasks, one message: `put` returns when the other side took it, or when the call is over."""

    def __init__(self) -> None:
        self._message: Message | bytes | None = None
        self._wanted: asyncio.Future[None] | None = None
        self._taken: asyncio.Future[None] | None = None
        self.over = False

    async def put(self, message: Message | bytes) -> None:
        if self.over:
            return
        self._message = message
        _wake(self._wanted)
        self._taken = asyncio.get_running_loop().create_future()
        await self._taken

    def end(self) -> None:
        """Nothing more comes, or nobody takes any more."""
        self.over = True
        _wake(self._wanted)
        _wake(self._taken)

    def __aiter__(self) -> HandOver:
        return self

    async def __anext__(self) -> Message | bytes:
        while self._message is None:
            if self.over:
                raise StopAsyncIteration
            self._wanted = asyncio.get_running_loop().create_future()
            await self._wanted
        message, self._message = self._message, None
        _wake(self._taken)
        return message


class LocalIntake(LocalAnswer, grpc.aio.StreamUnaryCall[Any, Any]):
    """Many requests, one answer; written one by one, or given as an iterator."""

    def __init__(
        self,
        handling: Handling,
        call: LocalCall,
        requests: Requests | None,
        crossing: Crossing,
        timeout_s: float | None,
        ended: Callable[[LocalRpc], None],
        *,
        as_bytes: bool,
    ) -> None:
        self._handed = HandOver()
        self._crossing = crossing
        self._feeding: asyncio.Task[None] | None = None
        super().__init__(handling, call, timeout_s, ended, as_bytes=as_bytes)
        if requests is not None:
            self._feeding = self._loop.create_task(self._feed(requests))

    async def write(self, request: Any) -> None:
        if self._feeding is not None:
            raise grpc.aio.UsageError("the requests of this call are an iterator's")
        await self._write(request)

    async def done_writing(self) -> None:
        if self._feeding is not None:
            raise grpc.aio.UsageError("the requests of this call are an iterator's")
        self._handed.end()

    async def _ask(self, method: Method, limits: Limits) -> Message:
        if method.intake is None:
            raise unknown()
        async with aclosing(requests_of(method, self._handed, limits)) as requests:
            return await method.intake(requests, self._call)
        raise AssertionError("it was neither answered nor refused")

    async def _write(self, request: Any) -> None:
        if self.done() or self._handed.over:
            raise asyncio.InvalidStateError("the call takes no more requests")
        try:
            await self._handed.put(self._crossing(request))
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self.done():
            self._raise_unless_ok()

    async def _feed(self, requests: Requests) -> None:
        """As grpc's own channel does it: an iterator that fails cancels the call."""
        try:
            if isinstance(requests, AsyncIterable):
                async for request in requests:
                    await self._write(request)
            else:
                for request in requests:
                    await self._write(request)
            self._handed.end()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # it has ended, and its caller is told how
        except asyncio.CancelledError:
            self.cut(LEFT)
            raise
        except Exception:
            # Nobody waits for this task; the caller learns of it from the call.
            logger.debug("requests_failed", exc_info=True)
            self.cut(LEFT)

    def _conclude(self, ended: Ended) -> bool:
        self._handed.end()
        if self._feeding is not None and self._feeding is not asyncio.current_task():
            self._feeding.cancel()
        return super()._conclude(ended)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
