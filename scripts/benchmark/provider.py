"""The fake provider of the bench: real HTTP/1.1, openai-chat, one delta per chunk, with or without a pace.

The prompt says what to send, as JSON: {"tokens": 200, "rate": 50, "thought": 100}. Rate 0 is as fast as the reader
reads; the first `thought` tokens are then reasoning. Each delta's text is the sender's monotonic clock in nanoseconds,
which every process of one machine shares: whoever receives it knows how late it is. Prints its port; ends when its
standard input closes.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sys
import time
from typing import cast

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FRAME = (
    'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench",'
    '"choices":[{"index":0,"delta":{%s},"finish_reason":%s}]}\n\n'
)
USAGE = '{"id":"chatcmpl-bench","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":%d}}'
# A flood is written in pieces of about this size, as a fast server's socket buffer would gather it.
FLOOD_BYTES = 16 * 1024


def chunk(payload: str) -> bytes:
    data = payload.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def token(field: str = "content") -> bytes:
    return chunk(FRAME % (f'"{field}":"{time.monotonic_ns()} "', "null"))


def ending(tokens: int) -> bytes:
    finish = chunk(FRAME % ("", '"stop"'))
    usage = chunk(f"data: {USAGE % tokens}\n\n")
    return finish + usage + chunk("data: [DONE]\n\n") + b"0\r\n\r\n"


class Pacer:
    """Writes every paced token of all connections from one timer: a timer each would cost more than its token."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, asyncio.Transport, int, float, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._count = 0

    def add(self, transport: asyncio.Transport, tokens: int, gap_s: float, done: asyncio.Future[None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (time.monotonic(), self._count, transport, tokens, gap_s, done))
        self._tick()

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            due, number, transport, tokens, gap_s, done = heapq.heappop(self._due)
            if transport.is_closing() or not tokens:
                if not done.done():
                    done.set_result(None)
                continue
            transport.write(token())
            heapq.heappush(self._due, (due + gap_s, number, transport, tokens - 1, gap_s, done))
        if self._due:
            self._timer = asyncio.get_running_loop().call_later(max(self._due[0][0] - now, 0.001), self._tick)


PACER = Pacer()


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, each answered with a stream."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.received = b""
        self.task: asyncio.Task[None] | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        if not head.startswith(b"POST"):  # LiteLLM looks around when it starts
            self.transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
            return
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        if len(body) >= length:
            self.received = body[length:]
            asked = json.loads(json.loads(body[:length])["messages"][-1]["content"])
            self.task = asyncio.get_running_loop().create_task(self.answer(**asked))

    async def answer(self, tokens: int, rate: float, thought: int = 0) -> None:
        self.transport.write(HEAD)
        if rate:
            await self.paced(tokens, 1 / rate)
        else:
            await self.flood(tokens, thought)
        self.transport.write(ending(tokens))

    async def paced(self, tokens: int, gap_s: float) -> None:
        done = asyncio.get_running_loop().create_future()
        PACER.add(self.transport, tokens, gap_s, done)
        await done

    async def flood(self, tokens: int, thought: int) -> None:
        parts: list[bytes] = []
        size = 0
        for number in range(tokens):
            parts.append(token("reasoning_content" if number < thought else "content"))
            size += len(parts[-1])
            if size >= FLOOD_BYTES:
                self.transport.write(b"".join(parts))
                parts, size = [], 0
                await self.writable.wait()
                await asyncio.sleep(0)
        self.transport.write(b"".join(parts))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


uvloop.run(main())
