"""Requests as handlers take them: decoded, bounded in size, and each in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc.intake import requests_of, taken
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.methods import Method

METHOD = Method("toy", "Take", pb.ChatRequest, pb.ChatResponse)
HI = pb.ChatRequest(text="hi")


async def given(*pieces: Any, silent: bool = False) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece
    if silent:
        await asyncio.Event().wait()


@pytest.mark.parametrize("piece", [HI, HI.SerializeToString()], ids=["a message", "its bytes"])
async def test_a_request_is_the_same_whether_it_came_as_bytes_or_not(piece: Any) -> None:
    assert taken(METHOD, piece, Limits()) == HI
    assert [each async for each in requests_of(METHOD, given(piece, piece), Limits())] == [HI, HI]


@pytest.mark.parametrize("piece", [HI, HI.SerializeToString()], ids=["a message", "its bytes"])
async def test_a_request_over_the_limit_is_refused_wherever_it_stands(piece: Any) -> None:
    small = pb.ChatRequest()
    requests = requests_of(METHOD, given(small, piece), Limits(request_bytes=3))
    assert await anext(requests) == small
    with pytest.raises(ChatError) as refused:
        await anext(requests)
    assert refused.value.reason is ErrorReason.MESSAGE_TOO_LARGE


async def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(ChatError) as refused:
        await anext(requests_of(METHOD, given(b"\xff\xff"), Limits()))
    assert refused.value.reason is ErrorReason.MALFORMED_REQUEST


async def test_a_client_that_says_nothing_more_is_told_so() -> None:
    requests = requests_of(METHOD, given(HI, silent=True), Limits(stall_timeout_s=0.02))
    assert await anext(requests) == HI
    with pytest.raises(ChatError, match="no message came for") as refused:
        await anext(requests)
    assert refused.value.reason is ErrorReason.REQUEST_TIMEOUT
