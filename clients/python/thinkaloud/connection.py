"""The channel to one server, async and sync: opens streams, sends unary calls, makes grpc's exceptions ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar, cast

import grpc
import grpc.aio

from thinkaloud.authorization import Authorization, Metadata
from thinkaloud.calls import CHAT, GET_UPLOAD, UPLOAD, WATCH_RUN, Unary
from thinkaloud.endpoint import Endpoint
from thinkaloud.errors import ThinkaloudError, error_from_status
from thinkaloud.v1 import chat_service_pb2, run_service_pb2, upload_service_pb2

Value = TypeVar("Value")
_UPLOADING: dict[str, Any] = {
    "method": UPLOAD,
    "request_serializer": upload_service_pb2.UploadRequest.SerializeToString,
    "response_deserializer": upload_service_pb2.UploadResponse.FromString,
}
_DOWNLOADING: dict[str, Any] = {
    "method": GET_UPLOAD,
    "request_serializer": upload_service_pb2.GetUploadRequest.SerializeToString,
    "response_deserializer": upload_service_pb2.GetUploadResponse.FromString,
}
StreamRequest = chat_service_pb2.ChatRequest | run_service_pb2.WatchRunRequest


def error_from_call(failure: grpc.RpcError) -> ThinkaloudError:
    """Our error for a failed call, sync or async: both of grpc's exceptions carry the same methods."""
    call = cast("Any", failure)
    # grpc.aio's Metadata has keys() but is no mapping: only its pairs are sure.
    trailing = [(key, value) for key, value in call.trailing_metadata() or ()]
    return error_from_status(call.code().name, call.details() or "", trailing)


def credentials(endpoint: Endpoint) -> grpc.ChannelCredentials:
    """How to shake hands there."""
    return grpc.ssl_channel_credentials(endpoint.root_certificates, endpoint.client_key, endpoint.client_certificate)


class Connection:
    """The channel of one async client, made at its first use: grpc.aio binds it to the loop that runs."""

    def __init__(self, endpoint: Endpoint, call_timeout_s: float) -> None:
        self._endpoint = endpoint
        self.authorization = Authorization(endpoint.metadata, endpoint.credentials)
        self._call_timeout_s = call_timeout_s
        self._channel: grpc.aio.Channel | None = None
        self._closed = False
        # How to leave each stream that is open.
        self.open_streams: set[Callable[[], Awaitable[None]]] = set()

    async def metadata(self) -> Metadata:
        """What says who calls. Raises ThinkaloudError where credentials cannot be renewed."""
        ready = self.authorization.ready()
        return ready if ready is not None else await asyncio.to_thread(self.authorization.fetch)

    def open(self, request: StreamRequest, timeout_s: float | None, metadata: Metadata) -> Any:
        """Begin a streaming call; what it returns is iterated and cancelled."""
        method = self._connected().unary_stream(**_streaming(request))
        return method(request, timeout=timeout_s, metadata=metadata)

    def upload(self, metadata: Metadata) -> Any:
        """Begin an upload; what it returns is written to and awaited."""
        return self._connected().stream_unary(**_UPLOADING)(metadata=metadata)

    def download(self, request: Any, metadata: Metadata) -> Any:
        """Begin a download; what it returns is iterated."""
        return self._connected().unary_stream(**_DOWNLOADING)(request, metadata=metadata)

    async def send(self, unary: Unary[Value], *, again: bool = True) -> Value:
        """The value of a unary call; `again` once more where a token has expired. Raises ThinkaloudError."""
        method = self._connected().unary_unary(**_unary(unary))
        metadata = await self.metadata()
        try:
            answer = await method(unary.request, timeout=self._call_timeout_s, metadata=metadata)
        except grpc.RpcError as failure:
            error = error_from_call(failure)
            if again and self.authorization.outlived(error):
                return await self.send(unary, again=False)
            raise error from failure
        return unary.read(answer)

    async def close(self) -> None:
        """Leave every open stream, then close the channel."""
        self._closed = True
        await asyncio.gather(*(leave() for leave in tuple(self.open_streams)))
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _connected(self) -> grpc.aio.Channel:
        if self._channel is None:
            if self._closed:
                raise RuntimeError("the client is closed")
            target, options = self._endpoint.target, self._endpoint.options
            if self._endpoint.tls:
                self._channel = grpc.aio.secure_channel(target, credentials(self._endpoint), options=options)
            else:
                self._channel = grpc.aio.insecure_channel(target, options=options)
        return self._channel


class SyncConnection:
    """The channel of one sync client."""

    def __init__(self, endpoint: Endpoint, call_timeout_s: float) -> None:
        self._endpoint = endpoint
        self.authorization = Authorization(endpoint.metadata, endpoint.credentials)
        self._call_timeout_s = call_timeout_s
        self._channel: grpc.Channel | None = None
        self._closed = False
        self.open_streams: set[Callable[[], None]] = set()

    def metadata(self) -> Metadata:
        """What says who calls. Raises ThinkaloudError where credentials cannot be renewed."""
        ready = self.authorization.ready()
        return ready if ready is not None else self.authorization.fetch()

    def open(self, request: StreamRequest, timeout_s: float | None, metadata: Metadata) -> Any:
        """Begin a streaming call; what it returns is iterated and cancelled."""
        method = self._connected().unary_stream(**_streaming(request))
        return method(request, timeout=timeout_s, metadata=metadata)

    def upload(self, requests: Iterator[Any], metadata: Metadata) -> Any:
        """Begin an upload; what it returns is the future answer."""
        return self._connected().stream_unary(**_UPLOADING).future(requests, metadata=metadata)

    def download(self, request: Any, metadata: Metadata) -> Any:
        """Begin a download; what it returns is iterated."""
        return self._connected().unary_stream(**_DOWNLOADING)(request, metadata=metadata)

    def send(self, unary: Unary[Value], *, timeout_s: float | None = None, again: bool = True) -> Value:
        """The value of a unary call; `again` once more where a token has expired. Raises ThinkaloudError."""
        method = self._connected().unary_unary(**_unary(unary))
        metadata = self.metadata()
        try:
            answer = method(unary.request, timeout=timeout_s or self._call_timeout_s, metadata=metadata)
        except grpc.RpcError as failure:
            error = error_from_call(failure)
            if again and self.authorization.outlived(error):
                return self.send(unary, timeout_s=timeout_s, again=False)
            raise error from failure
        return unary.read(answer)

    def close(self) -> None:
        """Leave every open stream, then close the channel."""
        self._closed = True
        for leave in tuple(self.open_streams):
            leave()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _connected(self) -> grpc.Channel:
        if self._channel is None:
            if self._closed:
                raise RuntimeError("the client is closed")
            target, options = self._endpoint.target, self._endpoint.options
            if self._endpoint.tls:
                self._channel = grpc.secure_channel(target, credentials(self._endpoint), options=options)
            else:
                self._channel = grpc.insecure_channel(target, options=options)
        return self._channel


def _streaming(request: StreamRequest) -> dict[str, Any]:
    chatting = isinstance(request, chat_service_pb2.ChatRequest)
    answer = chat_service_pb2.ChatResponse if chatting else run_service_pb2.WatchRunResponse
    return {
        "method": CHAT if chatting else WATCH_RUN,
        "request_serializer": type(request).SerializeToString,
        "response_deserializer": answer.FromString,
    }


def _unary(unary: Unary[Any]) -> dict[str, Any]:
    return {
        "method": unary.path,
        "request_serializer": type(unary.request).SerializeToString,
        "response_deserializer": unary.answer.FromString,
    }
