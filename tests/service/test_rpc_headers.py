"""What comes ahead of an answer, and when: with its first message, or among the trailers of a call that has none."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from fakes.engine import FakeEngine, Hold, complete
from fakes.rpc import ON_A_SOCKET, serving
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.core.errors import ChatError, ErrorReason

pytestmark = pytest.mark.usefixtures("channel_kind")


async def test_headers_with_the_request_id_come_with_the_first_event() -> None:
    async with serving(FakeEngine([Hold(), complete()])) as served:
        call = served.chat.Chat(pb.ChatRequest(text="hi"))
        metadata = await asyncio.wait_for(call.initial_metadata(), 2)
        assert metadata.get("x-request-id") == "made-1"
        assert (await call.read()).event.WhichOneof("event") == "start"
        call.cancel()


@ON_A_SOCKET
@pytest.mark.parametrize("method", ["Chat", "SendMessage"])
async def test_a_refusal_comes_alone_for_proxies_that_repeat_it_elsewhere(method: str) -> None:
    """In HTTP/2 it is one frame then (gRPC's Trailers-Only), and only in that does Envoy look for UNAVAILABLE."""
    engine = FakeEngine()
    engine.begin_failure = ChatError(ErrorReason.DRAINING, "the server is leaving")
    async with serving(engine) as served:
        turn = pb.ChatRequest(text="hi")
        request = turn if method == "Chat" else pb.SendMessageRequest(request=turn)
        call = getattr(served.chat, method)(request)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await (call.read() if method == "Chat" else call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not caught.value.initial_metadata()
        assert caught.value.trailing_metadata().get("x-request-id") == "made-1"
