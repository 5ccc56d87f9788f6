"""The four streaming faces of a whole server, each through a client of its own kind, told in the same words.

A face begins a turn or watches a run, and gives what it hears as `Heard`: the sequence, the event's name and its data
as JSON has it, to the end of the stream.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server answers: HOST:PORT of gRPC and of HTTP."""

    grpc: str
    http: str


class Face(Protocol):
    """One way to hear a run."""

    def turn(self, place: Place, **fields: Any) -> AsyncIterator[Heard]:
        """A turn from its beginning, with these fields of the request."""

    def watch(self, place: Place, run_id: str, after_sequence: int = 0, **fields: Any) -> AsyncIterator[Heard]:
        """A run that exists, after this event."""

    async def stop(self, place: Place, run_id: str) -> None:
        """Stop it, over a connection of its own."""


class Rpc:
    """gRPC on its socket."""

    async def turn(self, place: Place, **fields: Any) -> AsyncIterator[Heard]:
        async with _channel(place) as channel:
            request = ParseDict(fields, chat_service_pb2.ChatRequest())
            stub: Any = chat_service_pb2_grpc.ChatServiceStub(channel)
            async for heard in self._heard(stub.Chat(request)):
                yield heard

    async def watch(self, place: Place, run_id: str, after_sequence: int = 0, **fields: Any) -> AsyncIterator[Heard]:
        async with _channel(place) as channel:
            request = run_service_pb2.WatchRunRequest(run_id=run_id, after_sequence=after_sequence, **fields)
            stub: Any = run_service_pb2_grpc.RunServiceStub(channel)
            async for heard in self._heard(stub.WatchRun(request)):
                yield heard

    async def stop(self, place: Place, run_id: str) -> None:
        async with _channel(place) as channel:
            stub: Any = run_service_pb2_grpc.RunServiceStub(channel)
            await stub.StopRun(run_service_pb2.StopRunRequest(run_id=run_id))

    async def _heard(self, call: Any) -> AsyncIterator[Heard]:
        last = ""
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


class Http:
    """Streams over HTTP: `accept` says in which form."""

    accept = "text/event-stream"

    async def turn(self, place: Place, **fields: Any) -> AsyncIterator[Heard]:
        async with _client(place) as client, client.stream("POST", STREAM, json=fields, headers=self._head()) as answer:
            async for heard in self._heard(answer):
                yield heard

    async def watch(self, place: Place, run_id: str, after_sequence: int = 0, **fields: Any) -> AsyncIterator[Heard]:
        query = {"after_sequence": after_sequence, **fields}
        path = f"/api/v1/runs/{run_id}/events"
        async with _client(place) as client, client.stream("GET", path, params=query, headers=self._head()) as answer:
            async for heard in self._heard(answer):
                yield heard

    async def stop(self, place: Place, run_id: str) -> None:
        async with _client(place) as client:
            assert (await client.post(f"/api/v1/runs/{run_id}/stop", json={})).status_code == 200

    def _head(self) -> dict[str, str]:
        return {"accept": self.accept}

    async def _heard(self, answer: httpx.Response) -> AsyncIterator[Heard]:
        assert answer.status_code == 200, await answer.aread()
        async for frame in frames(answer):
            sequence = int(frame.id.rpartition(":")[2]) if frame.id else 0
            yield Heard(sequence, frame.event, json.loads(frame.data))


class Ndjson(Http):
    """The same as lines of JSON."""

    accept = "application/x-ndjson"

    async def _heard(self, answer: httpx.Response) -> AsyncIterator[Heard]:
        assert answer.status_code == 200, await answer.aread()
        async for line in answer.aiter_lines():
            said = json.loads(line)
            yield Heard(said["sequence"], said["event"], said["data"])


class Socket:
    """A WebSocket."""

    async def turn(self, place: Place, **fields: Any) -> AsyncIterator[Heard]:
        async for heard in self._heard(place, fields):
            yield heard

    async def watch(self, place: Place, run_id: str, after_sequence: int = 0, **fields: Any) -> AsyncIterator[Heard]:
        resume = {"type": "resume", "run_id": run_id, "after_sequence": after_sequence, **fields}
        async for heard in self._heard(place, resume):
            yield heard

    async def stop(self, place: Place, run_id: str) -> None:
        async with client_of(f"ws://{place.http}{CHAT}") as client:
            await client.say(type="stop", run_id=run_id)
            await client.say(type="ping")
            assert (await client.hear())["event"] == "pong"

    async def _heard(self, place: Place, message: dict[str, Any]) -> AsyncIterator[Heard]:
        # The library answers pings of the server, but sends none: nothing keeps the path alive but the server.
        async with client_of(f"ws://{place.http}{CHAT}", ping_interval=None) as client:
            await client.say(**message)
            while True:
                try:
                    frame = json.loads(await client.socket.recv())
                except ConnectionClosed:
                    return
                yield Heard(frame["sequence"], frame["event"], frame["data"])
                if frame["event"] in TERMINAL:
                    return


FACES: dict[str, Face] = {"grpc": Rpc(), "sse": Http(), "ndjson": Ndjson(), "websocket": Socket()}


@asynccontextmanager
async def _channel(place: Place) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(place.grpc, options=options) as channel:
        yield channel


def _client(place: Place) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{place.http}", timeout=_PATIENCE_S, trust_env=False)
