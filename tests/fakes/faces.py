"""The four streaming faces of a whole server, each through a client of its own kind, told in the same words.

A face begins a turn or watches a run, and gives what it hears as `Heard`: the sequence, the event's name and its data
as JSON has it, to the end of the stream.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import grpc
import httpx
from google.protobuf.json_format import MessageToDict, ParseDict
from websockets.exceptions import ConnectionClosed

from fakes.sockets import CHAT, client_of
from fakes.web import frames
from thinkaloud.v1 import chat_service_pb2, chat_service_pb2_grpc, run_service_pb2, run_service_pb2_grpc

STREAM = "/api/v1/chat/stream-sse"
TERMINAL = ("complete", "error")
# Silence is what some of these streams are tested with.
_PATIENCE_S = 60.0


class Heard(NamedTuple):
    """One event, whatever face it came by."""

    sequence: int
    event: str
    data: dict[str, Any]


def numbered(heard: list[Heard]) -> list[Heard]:
    """Those of the run; what is about one connection left out."""
    return [each for each in heard if each.sequence]


async def heard_of(stream: AsyncGenerator[Heard, None]) -> list[Heard]:
    """All of a stream."""
    return [heard async for heard in stream]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server answers: HOST:PORT of gRPC and of HTTP."""

    grpc: str
    http: str


class Face(Protocol):
    """One way to hear a run."""

    def turn(self, place: Place, **fields: Any) -> AsyncGenerator[Heard, None]:
        """A turn from its beginning, with these fields of the request."""

    def watch(self, place: Place, run_id: str, after_sequence: int = 0, **fields: Any) -> AsyncGenerator[Heard, None]:
        """A run that exists, after this event."""

    async def stop(self, place: Place, run_id: str) -> None:
        """Stop it, over a connection of its own."""


class Rpc:
    """gRPC on its socket."""

    def turn(self, place: Place, **fields: Any) -> AsyncGenerator[Heard, None]:
        request = ParseDict(fields, chat_service_pb2.ChatRequest())
        return self._heard(place, lambda channel: chat_service_pb2_grpc.ChatServiceStub(channel).Chat(request))

    def watch(self, place: Place, run_id: str, after_sequence: int = 0, **fields: Any) -> AsyncGenerator[Heard, None]:
        request = run_service_pb2.WatchRunRequest(run_id=run_id, after_sequence=after_sequence, **fields)
        return self._heard(place, lambda channel: run_service_pb2_grpc.RunServiceStub(channel).WatchRun(request))

    async def stop(self, place: Place, run_id: str) -> None:
        async with _channel(place) as channel:
            stub: Any = run_service_pb2_grpc.RunServiceStub(channel)
            await stub.StopRun(run_service_pb2.StopRunRequest(run_id=run_id))

    async def _heard(self, place: Place, ask: Callable[[Any], Any]) -> AsyncGenerator[Heard, None]:
        last = ""
        async with _channel(place) as channel:
            call = ask(channel)
            try:
                async for response in call:
                    event = MessageToDict(
                        response.event, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
                    )
                    last = response.event.WhichOneof("event")
                    yield Heard(event["sequence"], last, event[last])
            except grpc.aio.AioRpcError:
                if last != "error":  # a run that failed ends with its event and with the status of the same error
                    raise
            finally:
                call.cancel()


class Http:
    """Streams over HTTP, in the form that `accept` says."""

    accept = "text/event-stream"

    def turn(self, place: Place, **fields: Any) -> AsyncGenerator[Heard, None]:
        return self._heard(place, "POST", STREAM, json=fields)

    def watch(self, place: Place, run_id: str, after_sequence: int = 0, **fields: Any) -> AsyncGenerator[Heard, None]:
        query = {"after_sequence": after_sequence, **fields}
        return self._heard(place, "GET", f"/api/v1/runs/{run_id}/events", params=query)

    async def stop(self, place: Place, run_id: str) -> None:
        async with _client(place) as client:
            assert (await client.post(f"/api/v1/runs/{run_id}/stop", json={})).status_code == 200

    async def _heard(self, place: Place, verb: str, path: str, **request: Any) -> AsyncGenerator[Heard, None]:
        headers = {"accept": self.accept}
        async with _client(place) as client, client.stream(verb, path, headers=headers, **request) as answer:
            assert answer.status_code == 200, await answer.aread()
            async with aclosing(self._read(answer)) as heard:
                async for each in heard:
                    yield each

    async def _read(self, answer: httpx.Response) -> AsyncGenerator[Heard, None]:
        async for frame in frames(answer):
            sequence = int(frame.id.rpartition(":")[2]) if frame.id else 0
            yield Heard(sequence, frame.event, json.loads(frame.data))


class Ndjson(Http):
    """The same as lines of JSON."""

    accept = "application/x-ndjson"

    async def _read(self, answer: httpx.Response) -> AsyncGenerator[Heard, None]:
        async for line in answer.aiter_lines():
            said = json.loads(line)
            yield Heard(said["sequence"], said["event"], said["data"])


class Socket:
    """A WebSocket."""

    def turn(self, place: Place, **fields: Any) -> AsyncGenerator[Heard, None]:
        return self._heard(place, fields)

    def watch(self, place: Place, run_id: str, after_sequence: int = 0, **fields: Any) -> AsyncGenerator[Heard, None]:
        return self._heard(place, {"type": "resume", "run_id": run_id, "after_sequence": after_sequence, **fields})

    async def stop(self, place: Place, run_id: str) -> None:
        async with client_of(f"ws://{place.http}{CHAT}") as client:
            await client.say(type="stop", run_id=run_id)
            await client.say(type="ping")
            assert (await client.hear())["event"] == "pong"

    async def _heard(self, place: Place, message: dict[str, Any]) -> AsyncGenerator[Heard, None]:
        # Of itself the client sends nothing: what keeps the path alive is the server's doing. One that leaves while its
        # library holds messages back does not read the answer to its close.
        options = {"ping_interval": None, "close_timeout": 0.2}
        async with client_of(f"ws://{place.http}{CHAT}", **options) as client:
            await client.say(**message)
            event = ""
            with suppress(ConnectionClosed):
                while event not in TERMINAL:
                    frame = json.loads(await client.socket.recv())
                    event = frame["event"]
                    yield Heard(frame["sequence"], event, frame["data"])


FACES: dict[str, Face] = {"grpc": Rpc(), "sse": Http(), "ndjson": Ndjson(), "websocket": Socket()}


@asynccontextmanager
async def _channel(place: Place) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(place.grpc, options=options) as channel:
        yield channel


def _client(place: Place) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{place.http}", timeout=_PATIENCE_S, trust_env=False)
