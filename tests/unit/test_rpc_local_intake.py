"""Client-streaming calls inside the process: from hand to hand, with the ends that grpc's own channel has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest

from fakes.rpc import RealClock, refused, until
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc import interceptors
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.local import LocalChannel
from thinkaloud_server.rpc.methods import Method

Intake = Callable[[AsyncIterator[Any], Call], Awaitable[Any]]


class Toy:
    """One handler that takes a stream, behind a channel; `entered` counts its calls."""

    def __init__(self, intake: Intake, **limits: Any) -> None:
        self.load = interceptors.LoadShedding(100)
        method = Method("toy", "Take", pb.ChatRequest, pb.ChatResponse, intake=intake)
        around = (interceptors.errors, interceptors.request_id(lambda: "made"), self.load)
        self.channel = LocalChannel(
            {method.path: (method, around)}, (interceptors.errors,), Limits(**limits), RealClock()
        )
        encode, decode = pb.ChatRequest.SerializeToString, pb.ChatResponse.FromString
        self.take: Any = self.channel.stream_unary("/toy/Take", encode, decode)


def said(text: str) -> pb.ChatRequest:
    return pb.ChatRequest(text=text)


class Joining:
    """Answers with all texts; keeps what it saw, and how it was left."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.left = ""

    async def __call__(self, requests: AsyncIterator[Any], call: Call) -> Any:
        try:
            async for request in requests:
                self.texts.append(request.text)
                if request.text == "enough":
                    break
                if request.text == "refuse":
                    raise ChatError(ErrorReason.UPLOAD_TOO_LARGE, "too much")
                if request.text == "hold":
                    await asyncio.Event().wait()
        except BaseException as error:
            self.left = type(error).__name__
            raise
        return pb.ChatResponse(event={"token": {"token": " ".join(self.texts)}})


def words(*texts: str) -> Iterator[pb.ChatRequest]:
    yield from map(said, texts)


async def write_all(call: Any, *texts: str) -> None:
    for text in texts:
        await call.write(said(text))


async def words_that_fail(*texts: str) -> AsyncIterator[pb.ChatRequest]:
    for text in texts:
        yield said(text)
    raise RuntimeError("the iterator's own fault")


async def test_requests_are_an_iterator_or_written_one_by_one() -> None:
    toy = Toy(Joining())
    assert (await toy.take(words("a", "b"))).event.token.token == "a b"
    toy = Toy(Joining())
    call = toy.take()
    for text in ("c", "d"):
        await call.write(said(text))
    await call.done_writing()
    assert (await call).event.token.token == "c d"
    assert toy.load.calls == 0


async def test_a_write_ends_when_the_handler_took_the_message_and_not_before() -> None:
    go_on = asyncio.Event()
    seen: list[str] = []

    async def slow(requests: AsyncIterator[Any], call: Call) -> Any:
        async for request in requests:
            seen.append(request.text)
            await go_on.wait()
        return pb.ChatResponse()

    call = Toy(slow).take()
    await call.write(said("a"))
    second = asyncio.ensure_future(call.write(said("b")))
    assert not (await asyncio.wait((second,), timeout=0.05))[0]
    assert seen == ["a"]
    go_on.set()
    await second
    await call.done_writing()
    await call
    assert seen == ["a", "b"]


async def test_the_two_ways_to_send_are_not_mixed() -> None:
    call = Toy(Joining()).take(words("a"))
    with pytest.raises(grpc.aio.UsageError):
        await call.write(said("b"))
    with pytest.raises(grpc.aio.UsageError):
        await call.done_writing()
    await call


async def test_after_the_last_message_nothing_is_written() -> None:
    call = Toy(Joining()).take()
    await call.done_writing()
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(said("b"))
    await call
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(said("c"))


@pytest.mark.parametrize("style", ["iterator", "written"])
async def test_a_refusal_reaches_a_client_that_has_more_to_say(style: str) -> None:
    toy = Toy(Joining())
    call = toy.take(words("a", "refuse", "b")) if style == "iterator" else toy.take()
    if style == "written":
        with pytest.raises((grpc.aio.AioRpcError, asyncio.InvalidStateError)):
            await write_all(call, "a", "refuse", "b", "c")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert (refused(caught.value).reason, refused(caught.value).request_id) == ("UPLOAD_TOO_LARGE", "made")
    await until(lambda: toy.load.calls == 0)


async def test_a_handler_may_answer_before_it_has_heard_everything() -> None:
    assert (await Toy(Joining()).take(words("enough", "b"))).event.token.token == "enough"


async def test_an_iterator_that_fails_cancels_the_call() -> None:
    joining = Joining()
    toy = Toy(joining)
    with pytest.raises(asyncio.CancelledError):
        await toy.take(words_that_fail("a"))
    await until(lambda: joining.left == "CancelledError" and toy.load.calls == 0)


@pytest.mark.parametrize("how", ["cancel", "leave", "deadline", "stop"])
async def test_an_end_from_outside_reaches_the_handler_and_whoever_writes(how: str) -> None:
    joining = Joining()
    toy = Toy(joining)
    call = toy.take(timeout=0.05 if how == "deadline" else None)
    await call.write(said("hold"))
    writing = asyncio.ensure_future(call.write(said("b")))
    await asyncio.sleep(0)
    match how:
        case "cancel":
            call.cancel()
        case "leave":
            writing.cancel()
        case "stop":
            await toy.channel.stop(0.01)
    cut = {"deadline": grpc.StatusCode.DEADLINE_EXCEEDED, "stop": grpc.StatusCode.UNAVAILABLE}
    with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
        await writing
    assert await call.code() is cut.get(how, grpc.StatusCode.CANCELLED)
    await until(lambda: joining.left == "CancelledError" and toy.load.calls == 0)


async def test_a_client_that_falls_silent_is_told_so() -> None:
    call = Toy(Joining(), stall_timeout_s=0.02).take()
    await call.write(said("a"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert refused(caught.value).reason == "REQUEST_TIMEOUT"


async def test_a_method_of_another_kind_and_one_of_nobody_are_unimplemented() -> None:
    toy = Toy(Joining())
    for path, make in (("/toy/Take", toy.channel.unary_unary), ("/toy/Nothing", toy.channel.stream_unary)):
        call: Any = make(path)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"" if path == "/toy/Take" else iter([b""]))
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
