"""The gRPC server: services bound by their descriptors, health, reflection, and how it starts and ends.

Ending: `drain` tells load balancers and watchers to go elsewhere while everything still works; the engine then refuses
new runs and ends the live ones; `stop` waits for open calls as long as it is told and closes the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, groupby
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # generated, no stubs
from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]  # no stubs

from thinkaloud.v1 import (
    chat_service_pb2,
    conversation_service_pb2,
    identity_service_pb2,
    model_service_pb2,
    run_service_pb2,
    system_service_pb2,
    upload_service_pb2,
)
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc import interceptors
from thinkaloud_server.rpc.chat import ChatServicer
from thinkaloud_server.rpc.conversation import ConversationServicer
from thinkaloud_server.rpc.departure import Departure
from thinkaloud_server.rpc.health import HealthServicer
from thinkaloud_server.rpc.identify import Authenticator, identify, scopes_of, sockets_of, streams_of
from thinkaloud_server.rpc.identity import IdentityServicer
from thinkaloud_server.rpc.interceptors import Interceptor, LoadShedding
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.local import LocalChannel
from thinkaloud_server.rpc.methods import Method, methods_of
from thinkaloud_server.rpc.model import ModelServicer
from thinkaloud_server.rpc.observer import CallObserver, nobody
from thinkaloud_server.rpc.page import PageTokens
from thinkaloud_server.rpc.ports import Engine, Uploads
from thinkaloud_server.rpc.run import RunServicer
from thinkaloud_server.rpc.socket import UnknownMethods, bind
from thinkaloud_server.rpc.system import SystemServicer
from thinkaloud_server.rpc.throttle import Rates, Throttle, Throttling
from thinkaloud_server.rpc.upload import UploadServicer

_CONTRACT: Sequence[ServiceDescriptor] = (
    chat_service_pb2.DESCRIPTOR.services_by_name["ChatService"],
    run_service_pb2.DESCRIPTOR.services_by_name["RunService"],
    conversation_service_pb2.DESCRIPTOR.services_by_name["ConversationService"],
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
    system_service_pb2.DESCRIPTOR.services_by_name["SystemService"],
    identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"],
    upload_service_pb2.DESCRIPTOR.services_by_name["UploadService"],
)
# Between the last answer and the end of the connections, for the bytes to leave.
_CLOSING_S = 0.1


class RpcServer:
    """The gRPC face of one engine, on sockets and, as `local`, for callers inside the process."""

    def __init__(
        self,
        *,
        engine: Engine,
        uploads: Uploads,
        clock: Clock,
        new_id: Callable[[str], str],
        new_request_id: Callable[[], str],
        version: str,
        limits: Limits | None = None,
        reflect: bool = False,
        observer: CallObserver = nobody,
        tracing: Sequence[Interceptor] = (),
        authenticator: Authenticator | None = None,
        page_key: bytes = b"",
        throttling: Throttling | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.load = LoadShedding(self.limits.calls)
        throttling = throttling or Throttling(Rates())
        scopes, streams = scopes_of(_CONTRACT), streams_of(_CONTRACT)
        self.throttle = Throttle(
            throttling,
            unlimited={path for path, scope in scopes.items() if scope == "open"},
            streaming=streams - sockets_of(_CONTRACT),
        )
        self.interceptors: Sequence[Interceptor] = (
            interceptors.errors,
            interceptors.request_id(new_request_id),
            *tracing,
            interceptors.access_log(clock, observer, throttling.rates.trusted_proxies),
            self.load,
            *([self.throttle.by_address] if self.throttle.looks_at_addresses else ()),
            *([identify(authenticator, scopes, streams)] if authenticator else ()),
            self.throttle.by_key,
        )
        self._departure = Departure()
        identity = IdentityServicer(authenticator, self._departure, self.throttle)
        services = list(
            _services(engine, uploads, self.limits, self._departure, clock, new_id, version, identity, page_key)
        )
        self._health = HealthServicer({method.service for method in services})
        probes = list(methods_of(health_pb2.DESCRIPTOR.services_by_name["Health"], self._health))
        self.methods: Mapping[str, Method] = {method.path: method for method in (*services, *probes)}
        self._server = grpc.aio.server(options=_options(self.limits))
        # Probes come each few seconds, and must be answered when nothing else is: neither logged nor shed.
        around: dict[str, Sequence[Interceptor]] = {method.path: self.interceptors for method in services}
        around.update({method.path: self.interceptors[:2] for method in probes})
        self._add(services, self.interceptors, clock)
        self._add(probes, self.interceptors[:2], clock)
        table = {path: (method, around[path]) for path, method in self.methods.items()}
        self.local = LocalChannel(table, self.interceptors, self.limits, clock)
        if reflect:
            names = sorted({method.service for method in self.methods.values()})
            self._server.add_generic_rpc_handlers((_reflection(names),))
        self._server.add_generic_rpc_handlers((UnknownMethods(self.interceptors),))

    async def start(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Listen there and answer; the port, which matters for port 0. Raises RuntimeError when it is taken."""
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        await self._server.start()
        return port

    def drain(self) -> None:
        """Say NOT_SERVING from now on, and RECONNECT to whoever watches a run; everything still works."""
        self._health.drain()
        self._departure.begin()

    async def stop(self, grace_s: float) -> None:
        """Let open calls end for so long, then close."""
        self._health.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self.load.idle()
        await asyncio.gather(self.local.stop(_CLOSING_S), self._server.stop(_CLOSING_S))

    def _add(self, methods: Sequence[Method], around: Sequence[Interceptor], clock: Clock) -> None:
        for service, group in groupby(methods, lambda method: method.service):
            handlers = {method.name: bind(method, around, self.limits, clock) for method in group}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _services(
    engine: Engine,
    uploads: Uploads,
    limits: Limits,
    departure: Departure,
    clock: Clock,
    new_id: Callable[[str], str],
    version: str,
    identity: IdentityServicer,
    page_key: bytes,
) -> Iterator[Method]:
    pages = PageTokens(page_key)
    servicers = (
        ChatServicer(engine, limits, departure),
        RunServicer(engine, limits, departure, pages),
        ConversationServicer(engine, limits, pages, clock=clock, new_id=new_id),
        ModelServicer(engine),
        SystemServicer(engine, limits, clock=clock, version=version, authenticator=identity.authenticator),
        identity,
        UploadServicer(uploads, limits, clock=clock, new_id=new_id),
    )
    return chain.from_iterable(map(methods_of, _CONTRACT, servicers))


def _reflection(services: Sequence[str]) -> grpc.GenericRpcHandler:
    # Bytes that are no request become one that asks for nothing, which the servicer answers INVALID_ARGUMENT.
    names = (*services, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(service_names=names, pool=descriptor_pool.Default())

    def read(data: bytes) -> Any:
        try:
            return reflection_pb2.ServerReflectionRequest.FromString(data)
        except DecodeError:
            return reflection_pb2.ServerReflectionRequest()

    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=read,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(reflection.SERVICE_NAME, {"ServerReflectionInfo": handler})


def _options(limits: Limits) -> list[tuple[str, int]]:
    # A client that is stopped answers no ping and takes no byte, yet may read on: the stall timeout decides about
    # it, so the connection must outlive that. (grpc also sets TCP_USER_TIMEOUT from the keepalive timeout, 20 s
    # by default, and the kernel counts a peer whose window is full as silent.)
    patience_ms = round(limits.stall_timeout_s * 1000) + 30_000
    return [
        # For TLS and the client's settings together; grpc's own limit is two minutes, for a client that says nothing.
        ("grpc.server_handshake_timeout_ms", round(limits.handshake_timeout_s * 1000)),
        # Two servers must not share a port without knowing of each other.
        ("grpc.so_reuseport", 0),
        # Somewhat over our own limit, whose refusal comes with details and a request id.
        ("grpc.max_receive_message_length", 2 * limits.request_bytes),
        ("grpc.max_send_message_length", limits.response_bytes),
        ("grpc.max_metadata_size", 8 * 1024),
        ("grpc.absolute_max_metadata_size", 16 * 1024),
        # Clients may ping through a silent stream, and an idle connection, as often as each second. (The option
        # named ...recv_ping_interval... that is often seen for this does nothing.)
        ("grpc.http2.min_ping_interval_without_data_ms", 500),
        ("grpc.keepalive_permit_without_calls", 1),
        # Connections whose peer vanished are found out by our own pings.
        ("grpc.keepalive_time_ms", 120_000),
        ("grpc.keepalive_timeout_ms", patience_ms),
        ("grpc.http2.ping_timeout_ms", patience_ms),
    ]
