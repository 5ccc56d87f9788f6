"""A service of annotated methods that nothing of ours knows: its contract is compiled when the tests ask."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
import grpc_tools  # type: ignore[import-untyped]  # no stubs
from google.api import annotations_pb2  # type: ignore[import-untyped]  # generated, no stubs
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs
from grpc_tools import protoc

from thinkaloud.v1 import file_face_pb2, http_status_pb2, retired_pb2, stream_face_pb2

# Sent ahead of every answer but Rename's; LIMITS of it is for callers.
LIMITS = (("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "60"))
AHEAD = (*LIMITS, ("x-of-the-inside", "no"))
HERE = Path(__file__).parent
PROTO = HERE.parents[1] / "proto"
# Imported for their places in the pool.
NEEDED = (
    *(annotations_pb2, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2),
    *(file_face_pb2, http_status_pb2, retired_pb2, stream_face_pb2),
)


@cache
def toy_service() -> ServiceDescriptor:
    """The descriptor of toy.proto's service, of the pool in which all options are known."""
    known, bundled = Path(annotations_pb2.__file__).parents[2], str(files(grpc_tools) / "_proto")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "toy.bin"
        places = [f"-I{place}" for place in (HERE, PROTO, known, bundled)]
        assert protoc.main(["protoc", *places, f"--descriptor_set_out={out}", "toy.proto"]) == 0
        parsed = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    (file,) = parsed.file
    assert set(file.dependency) <= {each.DESCRIPTOR.name for each in NEEDED}
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    service: ServiceDescriptor = pool.FindServiceByName("toy.v1.ToyService")
    return service


def toy_message(name: str) -> Any:
    """A new message of toy.proto."""
    pool = descriptor_pool.Default()
    toy_service()
    return GetMessageClass(pool.FindMessageTypeByName(f"toy.v1.{name}"))()


class Toy:
    """The service itself; what it saw is kept."""

    def __init__(self) -> None:
        self.calls = 0
        self.metadata: dict[str, str] = {}
        self.counting = asyncio.Event()
        self.left = asyncio.Event()
        self.counted_out = asyncio.Event()
        self.hold = asyncio.Event()
        self.kept: list[bytes] = []

    async def echo(self, request: Any, context: Any) -> Any:
        self.calls += 1
        await context.send_initial_metadata(AHEAD)
        self.metadata = dict(context.invocation_metadata())
        if request.text == "plain failure":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        if request.text == "rich failure":
            await _abort(context, "RATE_LIMITED", retry_s=1.5)
        if request.text == "hang":
            await self._hang()
        response = toy_message("EchoResponse")
        response.everything.CopyFrom(request)
        response.calls = self.calls
        return response

    async def count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for response in self._count(request, context):
                yield response
        finally:
            self.counted_out.set()

    async def _count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.metadata = dict(context.invocation_metadata())
        await context.send_initial_metadata(AHEAD)
        if request.fail == "before":
            await _abort(context, "SEQUENCE_AHEAD")
        for number in range(request.after_sequence + 1, request.to + 1):
            response = toy_message("CountResponse")
            response.sequence = number
            response.ticked.number = number
            if number == 1:
                response.ticked.run_id = request.run_id or "toy_1"
            yield response
            if request.fail == "between":
                await _abort(context, "STORAGE_UNAVAILABLE", retry_s=1)
            if request.fail == "cut":
                await context.abort(grpc.StatusCode.UNAVAILABLE, "ipv4:10.0.0.1: connection reset")
            if request.fail == "hang":
                await self._hang()
            if number == request.to:
                beat = toy_message("CountResponse")
                beat.heartbeat.last_sequence = number
                yield beat

    async def rename(self, request: Any, context: Any) -> Any:
        response = toy_message("RenameResponse")
        response.titles.extend([request.name, request.title])
        return response

    async def keep(self, requests: AsyncIterator[Any], context: Any) -> Any:
        """A title says what goes wrong: "refuse" after the head, "enough" after the first bytes, "slow" holds them."""
        try:
            return await self._keep(requests, context)
        except asyncio.CancelledError:
            self.left.set()
            raise

    async def _keep(self, requests: AsyncIterator[Any], context: Any) -> Any:
        self.metadata = dict(context.invocation_metadata())
        response = toy_message("KeepResponse")
        whole = False
        async for request in requests:
            if request.HasField("about"):
                response.shelf = request.shelf
                response.about.CopyFrom(request.about)
                if request.about.title == "refuse":
                    await _abort(context, "QUOTA_EXCEEDED", retry_s=1)
                continue
            whole = whole or request.HasField("whole")
            self.kept.append(request.data)
            if response.about.title == "enough":
                return response
            if response.about.title == "slow":
                await self._hang()
        if not whole:
            self.left.set()  # grpc ends the requests of a call that was cancelled as if that were all
        response.size = sum(map(len, self.kept))
        return response

    async def fetch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """A title that ends with a number has so many pieces; "none" has not even a head, "cut" breaks off."""
        self.metadata = dict(context.invocation_metadata())
        if request.title == "refuse":
            await _abort(context, "NOT_FOUND")
        if request.title == "none":
            return
        first = toy_message("FetchResponse")
        first.about.title = request.title
        first.about.kind = "text/html" if "page" in request.title else "image/png"
        yield first
        for number in range(int(request.title[-1]) if request.title[-1].isdigit() else 1):
            yield type(first)(data=b"%d" % number * 1000)
        if request.title == "cut":
            await _abort(context, "STORAGE_UNAVAILABLE")

    async def _hang(self) -> None:
        self.counting.set()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise


async def _abort(context: Any, reason: str, retry_s: float | None = None) -> None:
    status = status_pb2.Status(code=grpc.StatusCode.ABORTED.value[0], message=f"told: {reason}")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, metadata={"near": '["a"]', "run": "r"}))
    if retry_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(retry_s * 1000))
        status.details.add().Pack(retry)
    metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(grpc.StatusCode.ABORTED, status.message, metadata)


@asynccontextmanager
async def toy_server() -> AsyncIterator[tuple[Toy, grpc.aio.Channel]]:
    """The toy on a real socket, and a channel to it."""
    toy = Toy()
    handlers = {}
    for method in toy_service().methods:
        handler = getattr(toy, method.name.lower())
        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        if method.client_streaming:
            make = grpc.stream_unary_rpc_method_handler
        handlers[method.name] = make(
            handler,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("toy.v1.ToyService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield toy, channel
    finally:
        await server.stop(None)
