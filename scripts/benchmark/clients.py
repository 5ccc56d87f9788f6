"""The clients of the bench: one process, many streams, over gRPC or direct to the provider.

Called as `clients.py grpc|direct ADDRESS STREAMS TOKENS RATE ROUNDS`; prints one JSON object of figures.
Latency is the receiver's clock less the sender's, per token; a token is on time when that is at most 100 ms
(five tokens at 50 a second: what a reader begins to see).
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import httpx
import msgspec
import uvloop
from httpx_aiohttp import AiohttpTransport
from wire import connect

from thinkaloud.v1 import chat_service_pb2

ON_TIME_NS = 100_000_000

Stream = Callable[[str], AsyncIterator[str]]


class Delta(msgspec.Struct):
    content: str = ""


class Choice(msgspec.Struct):
    delta: Delta


class Chunk(msgspec.Struct):
    choices: list[Choice]


async def over_grpc(address: str, connections: int, stack: AsyncExitStack) -> Stream:
    wires = [await connect(address) for _ in range(connections)]
    for wire in wires:
        stack.callback(wire.close)
    turn = 0

    async def stream(prompt: str) -> AsyncIterator[str]:
        nonlocal turn
        turn += 1
        request = chat_service_pb2.ChatRequest(text=prompt, model="bench/bench", store=STORED)
        path = "/thinkaloud.v1.ChatService/Chat"
        async for message in wires[turn % connections].call(path, request.SerializeToString()):
            event = chat_service_pb2.ChatResponse.FromString(message).event
            kind = event.WhichOneof("event")
            if kind == "token":
                yield event.token.token
            elif kind == "error":
                raise RuntimeError(event.error.message)

    return stream


async def direct(address: str, stack: AsyncExitStack) -> Stream:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    client = httpx.AsyncClient(transport=AiohttpTransport(client=session), timeout=None)
    await stack.enter_async_context(client)
    decode = msgspec.json.Decoder(Chunk).decode

    async def stream(prompt: str) -> AsyncIterator[str]:
        body = {"model": "bench", "messages": [{"role": "user", "content": prompt}], "stream": True}
        rest = b""
        async with client.stream("POST", f"http://{address}/v1/chat/completions", json=body) as response:
            async for data in response.aiter_raw():
                *lines, rest = (rest + data).split(b"\n\n")
                for line in lines:
                    if line == b"data: [DONE]":
                        return
                    chunk = decode(line[6:])
                    if chunk.choices and chunk.choices[0].delta.content:
                        yield chunk.choices[0].delta.content

    return stream


class Figures:
    """What all streams of one run saw."""

    def __init__(self) -> None:
        self.events = 0
        self.tokens = 0
        self.late = 0
        self.gaps: list[int] = []
        self.latencies: list[int] = []
        self.first: list[float] = []

    async def take(self, stream: Stream, prompt: str) -> None:
        begun = time.monotonic_ns()
        last = 0
        async for text in stream(prompt):
            now = time.monotonic_ns()
            if not last:
                self.first.append((now - begun) / 1e6)
            else:
                self.gaps.append(now - last)
            last = now
            self.events += 1
            for sent in text.split():
                self.tokens += 1
                latency = now - int(sent)
                self.latencies.append(latency)
                self.late += latency > ON_TIME_NS


def percentile(values: list[int] | list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


async def main(kind: str, address: str, streams: int, tokens: int, rate: float, rounds: int) -> None:
    async with AsyncExitStack() as stack:
        if kind == "direct":
            stream = await direct(address, stack)
        else:
            stream = await over_grpc(address, max(1, min(16, streams // 4)), stack)
        figures = await load(stream, streams, tokens, rate, rounds)
    sys.stdout.write(json.dumps(figures))


async def load(stream: Stream, streams: int, tokens: int, rate: float, rounds: int) -> dict[str, float]:
    """So many rounds of so many streams at once."""
    prompt = json.dumps({"tokens": tokens, "rate": rate})
    warm = Figures()
    await warm.take(stream, json.dumps({"tokens": 3, "rate": 0}))
    figures = Figures()
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.monotonic()
    for _ in range(rounds):
        starts = []
        for number in range(streams):
            starts.append(asyncio.ensure_future(figures.take(stream, prompt)))
            if rate and number % 8 == 7:
                await asyncio.sleep(1 / rate / 16)  # streams begin at different times, as people do
        await asyncio.gather(*starts)
    wall = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_s": wall,
        "cpu_s": cpu,
        "events": figures.events,
        "tokens": figures.tokens,
        "expected": streams * tokens * rounds,
        "on_time": 1 - figures.late / max(figures.tokens, 1),
        "gap_p99_ms": percentile(figures.gaps, 0.99) / 1e6,
        "latency_p50_ms": percentile(figures.latencies, 0.5) / 1e6,
        "latency_p99_ms": percentile(figures.latencies, 0.99) / 1e6,
        "first_p50_ms": percentile(figures.first, 0.5),
        "first_p99_ms": percentile(figures.first, 0.99),
    }


STORED = sys.argv[7] != "memory" if len(sys.argv) > 7 else True
uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6])))
