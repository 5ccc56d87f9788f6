"""The clients of the bench: one process, many streams, over any face, or direct to the provider.

Called with one JSON object, a `Load`; prints one JSON object of figures.
Latency is the receiver's clock less the sender's, per token; a token is on time when that is at most 100 ms
(five tokens at 50 a second: what a reader begins to see).
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import httpx
import msgspec
import uvloop
import web_wire
from httpx_aiohttp import AiohttpTransport
from wire import connect

from thinkaloud.v1 import chat_service_pb2

ON_TIME_NS = 100_000_000
EVENTS, LINES = "text/event-stream", "application/x-ndjson"

# Asks with a prompt, and says each text that comes.
Stream = Callable[[str, Callable[[str], None]], Awaitable[None]]


class Load(msgspec.Struct):
    """What is asked of whom: `kind` is grpc, sse, ndjson, websocket, result (an answer awaited whole), direct or unary.

    `tokens`, `thought` and `rate` are the provider's, `text` is what unary requests say to the built-in model instead;
    `rounds` of `streams` at once follow each other.
    """

    kind: str
    address: str
    streams: int = 1
    tokens: int = 0
    thought: int = 0
    rate: float = 0
    rounds: int = 1
    store: bool = True
    text: str = ""


class Delta(msgspec.Struct):
    content: str | None = ""
    reasoning_content: str | None = ""


class Choice(msgspec.Struct):
    delta: Delta


class Chunk(msgspec.Struct):
    choices: list[Choice]


class Data(msgspec.Struct):
    token: str = ""
    message: str = ""


class Line(msgspec.Struct):
    event: str
    data: Data


def asked(load: Load, prompt: str) -> chat_service_pb2.ChatRequest:
    return chat_service_pb2.ChatRequest(
        text=prompt, model="bench/bench", store=load.store, include_reasoning=bool(load.thought)
    )


async def over_grpc(load: Load, stack: AsyncExitStack) -> Stream:
    connections = max(1, min(16, load.streams // 4))
    wires = [await connect(load.address) for _ in range(connections)]
    for wire in wires:
        stack.callback(wire.close)
    turn = 0

    async def stream(prompt: str, say: Callable[[str], None]) -> None:
        nonlocal turn
        turn += 1
        request = asked(load, prompt)
        path = "/thinkaloud.v1.ChatService/Chat"
        async for message in wires[turn % connections].call(path, request.SerializeToString()):
            event = chat_service_pb2.ChatResponse.FromString(message).event
            kind = event.WhichOneof("event")
            if kind == "token":
                say(event.token.token)
            elif kind == "reasoning":
                say(event.reasoning.token)
            elif kind == "error":
                raise RuntimeError(event.error.message)

    async def result(prompt: str, say: Callable[[str], None]) -> None:
        """The whole answer at once: the run, its log and one who waits for its end."""
        nonlocal turn
        turn += 1
        request = chat_service_pb2.SendMessageRequest(request=asked(load, prompt))
        path = "/thinkaloud.v1.ChatService/SendMessage"
        async for message in wires[turn % connections].call(path, request.SerializeToString()):
            complete = chat_service_pb2.SendMessageResponse.FromString(message).complete
            say(f"{complete.reasoning} {complete.response}")

    return result if load.kind == "result" else stream


def over_http(load: Load, stack: AsyncExitStack) -> Stream:
    pool = web_wire.Pool(load.address)
    stack.callback(pool.close)
    line, data = msgspec.json.Decoder(Line).decode, msgspec.json.Decoder(Data).decode

    def framed(frame: bytes) -> Line:
        head, _, body = frame.partition(b"data: ")
        return Line(head.rpartition(b"event: ")[2].split(b"\n", 1)[0].decode(), data(body))

    async def stream(prompt: str, say: Callable[[str], None]) -> None:
        request = {"text": prompt, "model": "bench/bench", "store": load.store, "include_reasoning": bool(load.thought)}
        body = json.dumps(request).encode()

        def heard(event: Line) -> bool:
            if event.event in ("token", "reasoning"):
                say(event.data.token)
            elif event.event == "error":
                raise RuntimeError(event.data.message)
            return event.event == "complete"

        if load.kind == "sse":
            await web_wire.answer(pool, EVENTS, web_wire.cut_frames, body, lambda frame: heard(framed(frame)))
        elif load.kind == "ndjson":
            await web_wire.answer(pool, LINES, web_wire.cut_lines, body, lambda text: heard(line(text)))
        else:
            await web_wire.turn(pool, body, lambda text: heard(line(text)))

    return stream


async def direct(load: Load, stack: AsyncExitStack) -> Stream:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    client = httpx.AsyncClient(transport=AiohttpTransport(client=session), timeout=None)
    await stack.enter_async_context(client)
    decode = msgspec.json.Decoder(Chunk).decode

    async def stream(prompt: str, say: Callable[[str], None]) -> None:
        body = {"model": "bench", "messages": [{"role": "user", "content": prompt}], "stream": True}
        rest = b""
        async with client.stream("POST", f"http://{load.address}/v1/chat/completions", json=body) as response:
            async for data in response.aiter_raw():
                *lines, rest = (rest + data).split(b"\n\n")
                for line in lines:
                    if line == b"data: [DONE]":
                        return
                    chunk = decode(line[6:])
                    if chunk.choices and (text := chunk.choices[0].delta.content):
                        say(text)
                    elif chunk.choices and (thought := chunk.choices[0].delta.reasoning_content):
                        say(thought)

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

        def said(text: str) -> None:
            nonlocal last
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

        await stream(prompt, said)


def percentile(values: list[int] | list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


async def main(load: Load) -> None:
    async with AsyncExitStack() as stack:
        if load.kind == "unary":
            seen = await requests(load, stack)
        elif load.kind == "direct":
            seen = await streams(await direct(load, stack), load)
        elif load.kind in ("grpc", "result"):
            seen = await streams(await over_grpc(load, stack), load)
        else:
            seen = await streams(over_http(load, stack), load)
    sys.stdout.write(json.dumps(seen))


async def streams(stream: Stream, load: Load) -> dict[str, float]:
    """So many rounds of so many streams at once."""
    prompt = json.dumps({"tokens": load.tokens, "rate": load.rate, "thought": load.thought})
    warm = Figures()
    await warm.take(stream, json.dumps({"tokens": 3, "rate": 0}))
    figures = Figures()
    before = cpu_s()
    begun = time.monotonic()
    for _ in range(load.rounds):
        starts = []
        for number in range(load.streams):
            starts.append(asyncio.ensure_future(figures.take(stream, prompt)))
            if load.rate and number % 8 == 7:
                await asyncio.sleep(1 / load.rate / 16)  # streams begin at different times, as people do
        await asyncio.gather(*starts)
    wall = time.monotonic() - begun
    return {
        "wall_s": wall,
        "cpu_s": cpu_s() - before,
        "events": figures.events,
        "tokens": figures.tokens,
        "expected": load.streams * load.tokens * load.rounds,
        "on_time": 1 - figures.late / max(figures.tokens, 1),
        "gap_p99_ms": percentile(figures.gaps, 0.99) / 1e6,
        "latency_p50_ms": percentile(figures.latencies, 0.5) / 1e6,
        "latency_p99_ms": percentile(figures.latencies, 0.99) / 1e6,
        "first_p50_ms": percentile(figures.first, 0.5),
        "first_p99_ms": percentile(figures.first, 0.99),
    }


async def requests(load: Load, stack: AsyncExitStack) -> dict[str, float]:
    """So many rounds of one request a connection, answered whole by the built-in model."""
    pool = web_wire.Pool(load.address)
    stack.callback(pool.close)
    body = json.dumps({"text": load.text, "model": "demo/plain", "store": load.store}).encode()
    waits: list[float] = []

    async def ask() -> None:
        for _ in range(load.rounds):
            begun = time.monotonic()
            await web_wire.unary(pool, body)
            waits.append((time.monotonic() - begun) * 1e3)

    await web_wire.unary(pool, body)
    before = cpu_s()
    begun = time.monotonic()
    await asyncio.gather(*(ask() for _ in range(load.streams)))
    wall = time.monotonic() - begun
    return {
        "wall_s": wall,
        "cpu_s": cpu_s() - before,
        "requests": len(waits),
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
    }


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Load)))
