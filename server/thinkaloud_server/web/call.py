"""The one thing that is held: a channel. Methods are called by their descriptors, whatever they are."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
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
            answer = await call
            headers = headers_of(await call.initial_metadata())
        except grpc.aio.AioRpcError as error:
            raise _told(method, error) from None
        finally:
            call.cancel()
        return answer, headers

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
            make = self._channel.unary_stream if method.server_streaming else self._channel.unary_unary
            found = self._callables[method.full_name] = make(
                f"/{method.containing_service.full_name}/{method.name}",
                request_serializer=GetMessageClass(method.input_type).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
        return found


def _told(method: MethodDescriptor, error: grpc.aio.AioRpcError) -> HttpError:
    """The status for a caller. Why a connection was lost is nothing for callers, and all that an operator has."""
    told = from_rpc(error)
    if told.lost:
        why = {"method": method.full_name, "code": error.code().name, "details": error.details()}
        logger.warning("call_lost", extra=why)
    return told
