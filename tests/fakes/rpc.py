"""The real gRPC server on a free port, in this process, with a client's channel to it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from fakes.engine import FakeEngine
from thinkaloud.v1 import (
    chat_service_pb2_grpc,
    conversation_service_pb2_grpc,
    identity_service_pb2_grpc,
    model_service_pb2_grpc,
    run_service_pb2_grpc,
    system_service_pb2_grpc,
    upload_service_pb2_grpc,
)
from thinkaloud_server.core.upload import Quota
from thinkaloud_server.rpc.identify import Authenticator
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.server import RpcServer
from thinkaloud_server.rpc.throttle import Throttling
from thinkaloud_server.stores.memory import MemoryStore
from thinkaloud_server.stores.uploads import Uploads

# Whether clients get the channel inside the process; the fixture `channel_kind` says it for a test.
LOCAL = False
# For tests of what only a socket can do.
ON_A_SOCKET = pytest.mark.parametrize("channel_kind", ["socket"], indirect=True)


class RealClock:
    """Satisfies engine.ports.Clock."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Served:
    """A server and the stubs of a client of it."""

    server: RpcServer
    engine: FakeEngine
    channel: grpc.aio.Channel
    address: str

    def __post_init__(self) -> None:
        self.chat: Any = chat_service_pb2_grpc.ChatServiceStub(self.channel)
        self.runs: Any = run_service_pb2_grpc.RunServiceStub(self.channel)
        self.conversations: Any = conversation_service_pb2_grpc.ConversationServiceStub(self.channel)
        self.models: Any = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.uploads: Any = upload_service_pb2_grpc.UploadServiceStub(self.channel)
        self.system: Any = system_service_pb2_grpc.SystemServiceStub(self.channel)
        self.identity: Any = identity_service_pb2_grpc.IdentityServiceStub(self.channel)


@asynccontextmanager
async def serving(
    engine: FakeEngine | None = None,
    *,
    limits: Limits | None = None,
    reflect: bool = False,
    uploads: Uploads | None = None,
    options: Sequence[tuple[str, int]] = (),
    authenticator: Authenticator | None = None,
    credentials: grpc.ServerCredentials | None = None,
    throttling: Throttling | None = None,
) -> AsyncIterator[Served]:
    """Serve this engine, to others over TLS if there are credentials. At the end nobody watches a run any more, nothing
    is held open and no task is left."""
    engine = engine or FakeEngine()
    before = asyncio.all_tasks()
    numbers = itertools.count(1)
    uploads = uploads or Uploads(MemoryStore().uploads, None, quota=Quota(), kept_s=3600.0)
    server = RpcServer(
        engine=engine,
        uploads=uploads,
        clock=RealClock(),
        new_id=engine.new_id,
        new_request_id=lambda: f"made-{next(numbers)}",
        version="1.2.3",
        limits=limits,
        reflect=reflect,
        authenticator=authenticator,
        throttling=throttling,
    )
    address = f"127.0.0.1:{await server.start('127.0.0.1:0', credentials)}"
    try:
        own = ("grpc.use_local_subchannel_pool", 1)
        inside = LOCAL or credentials is not None
        async with server.local if inside else grpc.aio.insecure_channel(address, options=[own, *options]) as channel:
            yield Served(server, engine, channel, address)
    finally:
        await server.stop(1.0)
        await uploads.close()
    assert engine.watching == 0
    assert (server.load.calls, server.throttle.streams, server.throttle.sockets) == (0, 0, 0)
    async with asyncio.timeout(2.0):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=0.05)


async def collect(call: Any) -> tuple[list[Any], grpc.aio.AioRpcError | None]:
    """Everything that a stream brought, and the status that it ended with unless that was OK."""
    got: list[Any] = []
    try:
        while (each := await call.read()) is not grpc.aio.EOF:
            got.append(each)
    except grpc.aio.AioRpcError as error:
        return got, error
    return got, None


async def until(true: Callable[[], bool]) -> None:
    """Wait for what another task or the other side of a socket is about to make true."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - it is told by no event
            await asyncio.sleep(0.002)


@dataclass(frozen=True)
class Refused:
    """A status with its details, unpacked."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    fields: dict[str, str]
    retry_after_s: float | None
    request_id: str
    raw: bytes


def refused(error: grpc.aio.AioRpcError) -> Refused:
    """What a client reads from it. Fails when it carries no details or they contradict the status line."""
    raw = error.trailing_metadata().get("grpc-status-details-bin")
    assert isinstance(raw, bytes), f"no details: {error.code()} {error.details()}"
    status = status_pb2.Status.FromString(raw)
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    request = error_details_pb2.RequestInfo()
    retry_after_s = None
    for detail in status.details:
        assert any(detail.Unpack(each) for each in (info, bad_request, retry, request))
        if detail.Is(retry.DESCRIPTOR):
            retry_after_s = retry.retry_delay.ToMilliseconds() / 1000
    return Refused(
        code=error.code(),
        message=status.message,
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        fields={each.field: each.description for each in bad_request.field_violations},
        retry_after_s=retry_after_s,
        request_id=request.request_id,
        raw=raw,
    )


async def told(call: Any) -> str:
    """How a call ended: the reason of its refusal, or ""."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refused(error).reason
    return ""
