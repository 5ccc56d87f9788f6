"""A run's events as a stream of messages, with a life sign wherever there is nothing else to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol, TypeVar

from thinkaloud.v1 import event_pb2
from thinkaloud_server.core.event import Complete, Error, Event
from thinkaloud_server.rpc import status, wire
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.departure import Departure
from thinkaloud_server.rpc.ports import Engine


class Response(Protocol):
    """A message whose only field is the event: ChatResponse, WatchRunResponse."""

    @property
    def event(self) -> event_pb2.ChatEvent: ...


R = TypeVar("R", bound=Response)


def heartbeat(response: type[R], last_sequence: int) -> R:
    """A life sign."""
    message = response()
    wire.fill_heartbeat(message.event, last_sequence)
    return message


def reconnect(response: type[R], last_sequence: int) -> R:
    """The server is leaving: go on elsewhere. The run goes on here as long as it may, and so does the stream."""
    message = response()
    warning = message.event.warning
    warning.code = "RECONNECT"
    warning.message = f"the server is shutting down: connect again, and resume after event {last_sequence}"
    return message


async def follow(
    engine: Engine,
    tenant: str,
    run_id: str,
    *,
    after_sequence: int,
    audience: wire.Audience,
    heartbeat_s: float,
    departure: Departure,
    response: type[R],
    call: Call,
) -> AsyncGenerator[R, None]:
    """Everything after this sequence that the audience sees, to the terminal event.

    A run that failed ends twice: with its `error` event, and with the status of the same error. A failure to
    read its log ends the stream with a status alone: the run may well go on, and the client resumes.
    """
    now = asyncio.get_running_loop().time
    said_at = now()
    last: Event | None = None
    warned = False
    async with engine.watch(tenant, run_id, after_sequence) as watch:
        with departure.concerns(watch):
            while not watch.ended:
                patience_s = 0.0 if departure.begun and not warned else max(said_at + heartbeat_s - now(), 0.0)
                page = await watch.read(patience_s)
                said = False
                for logged in page:
                    message = response()
                    if wire.fill_event(message.event, logged, audience):
                        said = True
                        yield message
                if page:
                    last = page[-1].event
                if departure.begun and not warned and not watch.ended:
                    said = warned = True
                    yield reconnect(response, watch.last_sequence)
                # Filtered reasoning may flow for minutes and is silence to this watcher.
                if not said and now() - said_at >= heartbeat_s and not watch.ended:
                    said = True
                    yield heartbeat(response, watch.last_sequence)
                if said:
                    said_at = now()
    if isinstance(last, Complete):
        call.complete = last
    elif isinstance(last, Error):
        raise status.from_event(last)
