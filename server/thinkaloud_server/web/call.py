"""The one thing that is held: a channel. Methods are called by their descriptors, whatever they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from thinkaloud_server.web.error import HttpError, from_rpc, headers_of

logger = logging.getLogger("thinkaloud.web")

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]


class Messages:
    """What a stream brings, to be iterated over."""

    __slots__ = ("_call", "_messages")

    def __init__(self, call: grpc.aio.UnaryStreamCall[Any, Any]) -> None:
        self._call = call
        self._messages: AsyncIterator[Message] = call.__aiter__()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self._messages

    def __anext__(self) -> Awaitable[Message]:
        return self._messages.__anext__()

    async def headers(self) -> list[tuple[str, str]]:
        """What came with it that is for the caller; there once a message is."""
        return headers_of(await self._call.initial_metadata())


class Caller:
    """Calls methods over a channel; a status comes out as HttpError."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._callables: dict[str, Any] = {}

    async def unary(
        self, method: MethodDescriptor, message: Message, metadata: Metadata, timeout_s: float | None = None
    ) -> tuple[Message, list[tuple[str, str]]]:
        """The answer, and what came with it that is for the caller. Being cancelled cancels the call."""
        call = self._callable(method)(message, metadata=metadata, timeout=timeout_s)
        try:
            return await _answer(call)
        except grpc.aio.AioRpcError as error:
            raise _told(method, error) from None
        finally:
            call.cancel()

    async def intake(
        self, method: MethodDescriptor, messages: AsyncGenerator[Message, None], metadata: Metadata
    ) -> tuple[Message, list[tuple[str, str]]]:
        """The answer of a client-streaming method. The next message is asked for when the one before it was taken;
        what is raised instead of one cancels the call, and leaves here. A call may end before they do."""
        call = self._callable(method)(metadata=metadata)
        writing = asyncio.ensure_future(_write(call, messages))
        answering = asyncio.ensure_future(_answer(call))
        try:
            await asyncio.wait((writing, answering), return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
            return await answering
        except grpc.aio.AioRpcError as error:
            raise _told(method, error) from None
        finally:
            call.cancel()
            writing.cancel()
            answering.cancel()
            await asyncio.gather(writing, answering, return_exceptions=True)

    @asynccontextmanager
    async def stream(self, method: MethodDescriptor, message: Message, metadata: Metadata) -> AsyncIterator[Messages]:
        """The messages of a server-streaming method; leaving cancels the call. Its status is raised where they are
        awaited, and leaves here as HttpError."""
        call = self._callable(method)(message, metadata=metadata)
        try:
            yield Messages(call)
        except grpc.aio.AioRpcError as error:
            raise _told(method, error) from None
        finally:
            call.cancel()

    def _callable(self, method: MethodDescriptor) -> Any:
        found = self._callables.get(method.full_name)
        if found is None:
            assert method.containing_service is not None
            found = self._callables[method.full_name] = self._maker(method)(
                f"/{method.containing_service.full_name}/{method.name}",
                request_serializer=GetMessageClass(method.input_type).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
        return found

    def _maker(self, method: MethodDescriptor) -> Any:
        if method.client_streaming:
            return self._channel.stream_unary
        return self._channel.unary_stream if method.server_streaming else self._channel.unary_unary


async def _answer(call: Any) -> tuple[Message, list[tuple[str, str]]]:
    answer = await call
    return answer, headers_of(await call.initial_metadata())


async def _write(call: Any, messages: AsyncGenerator[Message, None]) -> None:
    async with aclosing(messages):
        try:
            async for message in messages:
                await call.write(message)
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # it has ended; its status says how


def _told(method: MethodDescriptor, error: grpc.aio.AioRpcError) -> HttpError:
    """The status for a caller. Why a connection was lost is nothing for callers, and all that an operator has."""
    told = from_rpc(error)
    if told.lost:
        why = {"method": method.full_name, "code": error.code().name, "details": error.details()}
        logger.warning("call_lost", extra=why)
    return told
