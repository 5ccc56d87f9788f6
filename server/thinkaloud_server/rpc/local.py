"""A channel to the server of this process: the same interceptors and handlers, no socket and no serialisation.

Messages cross as they are and are read-only for both sides by agreement; callers that ask for bytes (no serialiser, no
deserialiser) get bytes, as on a socket. Who calls is told by the context variable `PEER` and never by metadata.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc.call import Metadata
from thinkaloud_server.rpc.interceptors import Interceptor
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.local_call import LEFT, LocalCall, LocalRpc, refusal
from thinkaloud_server.rpc.local_handler import Handling, LocalStream, LocalUnary
from thinkaloud_server.rpc.local_intake import LocalIntake, Requests
from thinkaloud_server.rpc.methods import Method
from thinkaloud_server.rpc.socket import UNKNOWN_METHOD

Rpc = TypeVar("Rpc", bound=LocalRpc)

# For whom this process calls itself, in the words of grpc: "ipv4:127.0.0.1:54321".
PEER: ContextVar[str] = ContextVar("peer", default="local")


class LocalChannel(grpc.aio.Channel):
    """Calls into the handlers of this process. `stop` is the server's end of it, `close` the client's."""

    def __init__(
        self,
        methods: Mapping[str, tuple[Method, Sequence[Interceptor]]],
        interceptors: Sequence[Interceptor],
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._handling = {
            path: Handling(method, tuple(around), limits, clock) for path, (method, around) in methods.items()
        }
        self._unknown = Handling(None, tuple(interceptors), limits, clock)
        self._open: set[LocalRpc] = set()
        self._stopped = False
        self._closed = False

    async def stop(self, grace_s: float) -> None:
        """The server ends: what comes is refused, what is open is cut after so long."""
        self._stopped = True
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await asyncio.gather(*(call.code() for call in self._open))
        for call in tuple(self._open):
            call.cut(refusal(_stopping(), ""))

    async def close(self, grace: float | None = None) -> None:
        self._closed = True
        for call in tuple(self._open):
            call.cut(LEFT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return grpc.ChannelConnectivity.SHUTDOWN if self._closed else grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        raise NotImplementedError("a channel inside the process does not change its state by itself")

    async def channel_ready(self) -> None:
        """It always is."""

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return _Callable(self, LocalUnary, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return _Callable(self, LocalStream, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return _IntakeCallable(self, method, request_serializer, response_deserializer)

    def stream_stream(self, method: str, *_: object, **options: object) -> Any:
        raise NotImplementedError("no method of the contract streams both ways")

    def begin(
        self,
        make: Callable[[Handling, LocalCall, Callable[[LocalRpc], None]], LocalRpc],
        path: str,
        timeout_s: float | None,
        metadata: Metadata,
    ) -> LocalRpc:
        """One call, under way. Raises grpc.aio.UsageError after `close`."""
        if self._closed:
            raise grpc.aio.UsageError("Channel is closed.")
        handling = self._handling.get(path, self._unknown)
        name = UNKNOWN_METHOD if handling is self._unknown else path
        rpc = make(handling, LocalCall(name, metadata, PEER.get(), timeout_s), self._open.discard)
        self._open.add(rpc)
        if timeout_s is not None and timeout_s <= 0:
            rpc.expire()
        elif self._stopped:
            rpc.cut(refusal(_stopping(), ""))
        return rpc

    def message(self, path: str, request: Any, serialize: Callable[[Any], bytes] | None) -> Message | bytes:
        """The request as it crosses: itself where it is the handler's own kind of message, else its bytes."""
        method = self._handling.get(path, self._unknown).method
        if method is not None and type(request) is method.request:
            crossing: Message = request
            return crossing
        return request if serialize is None else serialize(request)


class _Callable:
    """A method that is called like a function, as a stub has it."""

    def __init__(
        self,
        channel: LocalChannel,
        kind: type[LocalUnary] | type[LocalStream],
        path: str,
        serialize: Callable[[Any], bytes] | None,
        deserialize: Callable[[bytes], Any] | None,
    ) -> None:
        self._channel = channel
        self._kind = kind
        self._path = path
        self._serialize = serialize
        self._as_bytes = deserialize is None

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: object = None,
        wait_for_ready: bool | None = None,
        compression: object = None,
    ) -> Any:
        message = self._channel.message(self._path, request, self._serialize)

        def make(handling: Handling, call: LocalCall, ended: Callable[[LocalRpc], None]) -> LocalRpc:
            return self._kind(handling, call, message, timeout, ended, as_bytes=self._as_bytes)

        return self._channel.begin(make, self._path, timeout, tuple(metadata or ()))


class _IntakeCallable:
    """The same for a method that takes a stream of requests."""

    def __init__(
        self,
        channel: LocalChannel,
        path: str,
        serialize: Callable[[Any], bytes] | None,
        deserialize: Callable[[bytes], Any] | None,
    ) -> None:
        self._channel = channel
        self._path = path
        self._serialize = serialize
        self._as_bytes = deserialize is None

    def __call__(
        self,
        request_iterator: Requests | None = None,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: object = None,
        wait_for_ready: bool | None = None,
        compression: object = None,
    ) -> Any:
        def crossing(request: Any) -> Message | bytes:
            return self._channel.message(self._path, request, self._serialize)

        def make(handling: Handling, call: LocalCall, ended: Callable[[LocalRpc], None]) -> LocalRpc:
            return LocalIntake(handling, call, request_iterator, crossing, timeout, ended, as_bytes=self._as_bytes)

        return self._channel.begin(make, self._path, timeout, tuple(metadata or ()))


def _stopping() -> ChatError:
    return ChatError(ErrorReason.DRAINING, "the server has stopped: send it to another replica")
