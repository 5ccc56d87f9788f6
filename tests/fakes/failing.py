"""Calls that are to fail: what callers are told, as event and as status, held to what the contract says of failures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from fakes.rpc import Refused, collect, refused
from fakes.stubs import Stubs
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.rpc.status import FACES

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Failed:
    """A call that failed: the events before the error, the error event (None: before the first one), the status."""

    events: Sequence[Any]
    error: Any
    status: Refused

    @property
    def text(self) -> str:
        """Everything that it told, to look for what must not be in it."""
        return f"{self.events} {self.error} {self.status}"


async def failed_chat(stubs: Stubs, request: pb.ChatRequest, **options: Any) -> Failed:
    """Chat with this request. The failure has been checked against what the contract says of every failure."""
    request_id = f"asked-{next(_NUMBERS)}"
    metadata = (("x-request-id", request_id), *options.pop("metadata", ()))
    responses, error = await collect(stubs.chat.Chat(request, metadata=metadata, **options))
    assert error is not None, f"it was answered: {responses}"
    status = refused(error)
    check_status(status, request_id)
    events = [response.event for response in responses]
    if not events:
        return Failed((), None, status)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[0].start.request_id == request_id
    terminals = [event for event in events if event.WhichOneof("event") in ("complete", "error")]
    assert terminals == events[-1:], "one terminal event, and it is the last"
    told = events[-1].error
    assert (told.code, told.request_id) == (status.reason, request_id)
    assert told.message.startswith(status.message.rstrip("…"))
    assert told.retryable == FACES[told.code].retryable
    check_details(told, status)
    return Failed(events[:-1], told, status)


async def failed_message(stubs: Stubs, request: pb.ChatRequest) -> Refused:
    """SendMessage with this request, checked alike."""
    request_id = f"asked-{next(_NUMBERS)}"
    try:
        await stubs.chat.SendMessage(pb.SendMessageRequest(request=request), metadata=(("x-request-id", request_id),))
    except grpc.aio.AioRpcError as error:
        status = refused(error)
        check_status(status, request_id)
        return status
    raise AssertionError("it was answered")


def check_status(status: Refused, request_id: str) -> None:
    """The code is the table's, and the id is the caller's."""
    assert status.code is FACES[status.reason].code
    assert status.domain == "thinkaloud.dev"
    assert status.request_id == request_id
    if status.code is grpc.StatusCode.UNAVAILABLE or status.reason in ("UPSTREAM_RATE_LIMITED", "RATE_LIMITED"):
        assert status.retry_after_s is not None, "it says when to come back"


def check_details(told: Any, status: Refused) -> None:
    """Event and status have the same details; the retry hint has a type of its own in the status."""
    details = dict(told.details)
    hint = details.pop("retry_after_s", None)
    assert hint == status.retry_after_s
    assert set(details) == set(status.metadata)
