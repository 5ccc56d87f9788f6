"""Drives the async and the sync client alike, so that one test covers both: the sync one runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from thinkaloud import Client, Event, MessageType, Result, Stream, SyncClient, SyncStream

Value = TypeVar("Value")
Form = Literal["entered", "bare"]


class Driver(Protocol):
    """What both twins can be asked to do. `client` and `options` are keyword arguments of the client and the turn."""

    async def events(
        self, address: str, *, form: Form = "entered", take: int = -1, client: Mapping[str, Any] = {}, **options: Any
    ) -> list[Event]:
        """The events of a turn, all of them or the first so many; then the stream is left by `break`."""
        ...

    async def watch(
        self, address: str, run_id: str, after: int = 0, *, take: int = -1, client: Mapping[str, Any] = {}
    ) -> list[Event]:
        """The events of a run that exists."""
        ...

    async def chat(self, address: str, *, client: Mapping[str, Any] = {}, **options: Any) -> Result:
        """The result of a turn."""
        ...

    async def chunks(self, address: str, *, take: int = -1, **options: Any) -> list[tuple[MessageType, str]]:
        """The pieces of a turn."""
        ...

    async def unary(self, address: str, call: Callable[[Any], Any]) -> Any:
        """What a unary method answers."""
        ...


class Failed(Exception):
    """What a test raises inside a stream, as a caller's own bug would."""


@dataclass(frozen=True)
class AsyncDriver:
    """The async client."""

    async def events(
        self, address: str, *, form: Form = "entered", take: int = -1, client: Mapping[str, Any] = {}, **options: Any
    ) -> list[Event]:
        async with Client(address, **client) as connected:
            stream = connected.stream("What is 17*23?", **options)
            if form == "bare":
                return await self._take(stream, take)
            async with stream:
                return await self._take(stream, take)

    async def watch(
        self, address: str, run_id: str, after: int = 0, *, take: int = -1, client: Mapping[str, Any] = {}
    ) -> list[Event]:
        async with Client(address, **client) as connected, connected.watch(run_id, after) as stream:
            return await self._take(stream, take)

    async def chat(self, address: str, *, client: Mapping[str, Any] = {}, **options: Any) -> Result:
        async with Client(address, **client) as connected:
            return await connected.chat("What is 17*23?", **options)

    async def chunks(self, address: str, *, take: int = -1, **options: Any) -> list[tuple[MessageType, str]]:
        taken: list[tuple[MessageType, str]] = []
        async with Client(address) as connected, aclosing(connected.chunks("What is 17*23?", **options)) as chunks:
            async for chunk in chunks:
                taken.append(chunk)
                if len(taken) == take:
                    break
        return taken

    async def unary(self, address: str, call: Callable[[Any], Awaitable[Any]]) -> Any:
        async with Client(address) as connected:
            return await call(connected)

    async def _take(self, stream: Stream, take: int) -> list[Event]:
        taken: list[Event] = []
        async for event in stream:
            taken.append(event)
            if len(taken) == take:
                break
        return taken


@dataclass(frozen=True)
class SyncDriver:
    """The sync client, in a thread: the server of the test lives in the loop."""

    async def events(
        self, address: str, *, form: Form = "entered", take: int = -1, client: Mapping[str, Any] = {}, **options: Any
    ) -> list[Event]:
        def run() -> list[Event]:
            with SyncClient(address, **client) as connected:
                stream = connected.stream("What is 17*23?", **options)
                if form == "bare":
                    return self._take(stream, take)
                with stream:
                    return self._take(stream, take)

        return await asyncio.to_thread(run)

    async def watch(
        self, address: str, run_id: str, after: int = 0, *, take: int = -1, client: Mapping[str, Any] = {}
    ) -> list[Event]:
        def run() -> list[Event]:
            with SyncClient(address, **client) as connected, connected.watch(run_id, after) as stream:
                return self._take(stream, take)

        return await asyncio.to_thread(run)

    async def chat(self, address: str, *, client: Mapping[str, Any] = {}, **options: Any) -> Result:
        def run() -> Result:
            with SyncClient(address, **client) as connected:
                return connected.chat("What is 17*23?", **options)

        return await asyncio.to_thread(run)

    async def chunks(self, address: str, *, take: int = -1, **options: Any) -> list[tuple[MessageType, str]]:
        def run() -> list[tuple[MessageType, str]]:
            taken: list[tuple[MessageType, str]] = []
            with SyncClient(address) as connected, closing(connected.chunks("What is 17*23?", **options)) as chunks:
                for chunk in chunks:
                    taken.append(chunk)
                    if len(taken) == take:
                        break
            return taken

        return await asyncio.to_thread(run)

    async def unary(self, address: str, call: Callable[[Any], Any]) -> Any:
        def run() -> Any:
            with SyncClient(address) as connected:
                return call(connected)

        return await asyncio.to_thread(run)

    def _take(self, stream: SyncStream, take: int) -> list[Event]:
        taken: list[Event] = []
        for event in stream:
            taken.append(event)
            if len(taken) == take:
                break
        return taken


async def until(fact: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait for a fact about the fakes; it is an error when it does not come."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110 - the fakes are plain counters, and some change in grpc's threads
            await asyncio.sleep(0.002)
