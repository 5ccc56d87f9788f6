"""The channel inside the process, on a table of toy methods: what a client sees, and what a handler is spared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest

from fakes.rpc import RealClock, refused, until
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc import interceptors
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.local import PEER, LocalChannel
from thinkaloud_server.rpc.methods import Method

Stream = Callable[[Any, Call], AsyncGenerator[Any, None]]
Unary = Callable[[Any, Call], Awaitable[Any]]


class Toy:
    """One streaming and one unary handler behind a channel."""

    def __init__(self, *, stream: Stream | None = None, unary: Unary | None = None, **limits: Any) -> None:
        self.calls: list[Call] = []
        self.load = interceptors.LoadShedding(100)
        table = {
            method.path: (method, (interceptors.errors, interceptors.request_id(lambda: "made"), self.load))
            for method in (
                Method("toy", "Stream", pb.ChatRequest, pb.ChatResponse, stream=stream),
                Method("toy", "Unary", pb.ChatRequest, pb.ChatResponse, unary=unary),
            )
        }
        self.channel = LocalChannel(table, (interceptors.errors,), Limits(**limits), RealClock())
        encode, decode = pb.ChatRequest.SerializeToString, pb.ChatResponse.FromString
        self._stream: Any = self.channel.unary_stream("/toy/Stream", encode, decode)
        self._unary: Any = self.channel.unary_unary("/toy/Unary", encode, decode)

    def stream(self, **options: Any) -> Any:
        return self._stream(pb.ChatRequest(text="hi"), **options)

    def unary(self, request: pb.ChatRequest | None = None, **options: Any) -> Any:
        return self._unary(request or pb.ChatRequest(text="hi"), **options)


def message(sequence: int) -> pb.ChatResponse:
    made = pb.ChatResponse()
    made.event.sequence = sequence
    return made


class Waiting:
    """Says one thing, then waits for ever; `left` says how that ended."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.left: list[str] = []

    async def stream(self, request: Any, call: Call) -> AsyncGenerator[Any, None]:
        try:
            yield message(1)
            self.waits.set()
            await asyncio.Event().wait()
        except BaseException as error:
            self.left.append(type(error).__name__)
            raise
        finally:
            self.left.append("closed")

    async def unary(self, request: Any, call: Call) -> Any:
        async for each in self.stream(request, call):
            said = each
        return said


async def read(call: Any) -> Any:
    return await call.read()


async def test_messages_cross_as_they_are() -> None:
    said, asked = message(1), pb.ChatRequest(text="hi")
    seen: list[Any] = []

    async def unary(request: Any, call: Call) -> Any:
        seen.append(request)
        return said

    assert await Toy(unary=unary).unary(asked) is said
    assert seen == [asked]
    assert seen[0] is asked


@pytest.mark.parametrize("where", ["parked", "between", "beginning"])
async def test_a_cancel_closes_the_handler_at_once(where: str) -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream)
    call = toy.stream()
    reading: asyncio.Task[Any] | None = None
    if where != "beginning":
        assert (await call.read()).event.sequence == 1
    if where == "parked":
        reading = asyncio.ensure_future(read(call))
        await waiting.waits.wait()
    assert call.cancel()
    assert not call.cancel()
    assert call.cancelled()
    if reading is not None:
        with pytest.raises(asyncio.CancelledError):
            await reading
    with pytest.raises(asyncio.CancelledError):
        await call.read()
    await asyncio.sleep(0)
    # GeneratorExit between two messages, as it is on a socket; a handler that had not begun has nothing to close.
    assert waiting.left == {
        "parked": ["CancelledError", "closed"],
        "between": ["GeneratorExit", "closed"],
        "beginning": [],
    }.get(where)
    assert toy.load.calls == 0
    assert (await call.code(), await call.details()) == (
        grpc.StatusCode.CANCELLED,
        "Locally cancelled by application!",
    )


@pytest.mark.parametrize("arity", ["stream", "unary"])
async def test_a_reader_that_is_cancelled_leaves_its_call(arity: str) -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream, unary=waiting.unary)

    async def ask() -> None:
        if arity == "unary":
            await toy.unary()
        else:
            async for _ in toy.stream():
                pass

    asking = asyncio.ensure_future(ask())
    await waiting.waits.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: waiting.left == ["CancelledError", "closed"] and toy.load.calls == 0)


@pytest.mark.parametrize("arity", ["stream", "unary"])
async def test_a_deadline_ends_the_call_and_leaves_its_reader_alone(arity: str) -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream, unary=waiting.unary)
    call = toy.stream(timeout=0.02) if arity == "stream" else toy.unary(timeout=0.02)
    if arity == "stream":
        await call.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call.read() if arity == "stream" else call)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await until(lambda: waiting.left == ["CancelledError", "closed"])
    assert call.time_remaining() == 0


async def test_a_deadline_between_two_messages_closes_the_handler() -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream)
    call = toy.stream(timeout=0.02)
    await call.read()
    await until(lambda: waiting.left == ["GeneratorExit", "closed"] and toy.load.calls == 0)
    with pytest.raises(grpc.aio.AioRpcError):
        await call.read()


async def test_a_reader_cancelled_in_the_moment_of_the_deadline_is_cancelled() -> None:
    waiting = Waiting()
    call = Toy(stream=waiting.stream).stream(timeout=60)
    await call.read()
    reading = asyncio.ensure_future(read(call))
    await waiting.waits.wait()
    call.expire()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_handler_that_will_not_be_called_out_is_left_all_the_same() -> None:
    parked = asyncio.Event()

    async def stubborn(request: Any, call: Call) -> AsyncGenerator[Any, None]:
        yield message(1)
        with suppress(asyncio.CancelledError):
            parked.set()
            await asyncio.Event().wait()
        yield message(2)

    toy = Toy(stream=stubborn)
    call = toy.stream()
    await call.read()
    reading = asyncio.ensure_future(read(call))
    await parked.wait()
    call.expire()
    with pytest.raises(grpc.aio.AioRpcError):
        await reading
    await until(lambda: toy.load.calls == 0)


async def test_a_client_that_reads_nothing_is_cut_with_a_word_how_to_go_on() -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream, stall_timeout_s=0.05)
    call = toy.stream()
    await call.read()
    await until(lambda: waiting.left == ["GeneratorExit", "closed"] and toy.load.calls == 0)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (refused(caught.value).reason, refused(caught.value).request_id) == ("SLOW_CONSUMER", "made")


async def test_a_client_that_waits_for_a_silent_handler_is_not_cut() -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream, stall_timeout_s=0.02)
    call = toy.stream()
    await call.read()
    reading = asyncio.ensure_future(read(call))
    assert not (await asyncio.wait((reading,), timeout=0.1))[0]
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_refusal_has_its_headers_details_and_trailers() -> None:
    async def unary(request: Any, call: Call) -> Any:
        raise ChatError(ErrorReason.NOT_FOUND, "no such thing")

    call = Toy(unary=unary).unary(metadata=(("x-request-id", "mine"),))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert (refused(caught.value).reason, refused(caught.value).request_id) == ("NOT_FOUND", "mine")
    assert caught.value.initial_metadata().get("x-request-id") == "mine"
    assert (await call.initial_metadata()).get("x-request-id") == "mine"
    assert (await call.trailing_metadata()) == caught.value.trailing_metadata()
    assert (await call.code(), await call.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")


async def test_who_asked_whom_to_be_told_is_told_once_it_has_ended() -> None:
    async def unary(request: Any, call: Call) -> Any:
        return message(1)

    told: list[Any] = []
    call = Toy(unary=unary).unary()
    call.add_done_callback(told.append)
    assert not call.done()
    assert told == []
    await call
    call.add_done_callback(told.append)
    assert told == [call, call]
    assert call.done()


async def test_the_peer_is_told_by_who_carries_the_call_and_not_by_metadata() -> None:
    async def unary(request: Any, call: Call) -> Any:
        return pb.ChatResponse(event={"token": {"token": call.peer}})

    toy = Toy(unary=unary)
    forged = (("x-forwarded-for", "10.0.0.1"), ("peer", "10.0.0.1"))
    assert (await toy.unary(metadata=forged)).event.token.token == "local"
    token = PEER.set("ipv4:127.0.0.1:5")
    assert (await toy.unary(metadata=forged)).event.token.token == "ipv4:127.0.0.1:5"
    PEER.reset(token)


@pytest.mark.parametrize("arity", ["stream", "unary"])
async def test_a_stopped_server_cuts_what_is_open_and_refuses_what_comes(arity: str) -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream, unary=waiting.unary)

    async def ask() -> Any:
        if arity == "unary":
            return await toy.unary()
        return [each async for each in toy.stream()]

    asking = asyncio.ensure_future(ask())
    await waiting.waits.wait()
    await toy.channel.stop(0.01)
    for asked in (asking, ask()):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked
        assert (refused(caught.value).code, refused(caught.value).reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "DRAINING",
        )
    await until(lambda: waiting.left == ["CancelledError", "closed"])


async def test_a_stop_lets_what_is_ending_end() -> None:
    go_on = asyncio.Event()

    async def stream(request: Any, call: Call) -> AsyncGenerator[Any, None]:
        yield message(1)
        await go_on.wait()
        yield message(2)

    toy = Toy(stream=stream)
    call = toy.stream()

    async def all_of_it() -> list[Any]:
        return [each async for each in call]

    reading = asyncio.ensure_future(all_of_it())
    stopping = asyncio.ensure_future(toy.channel.stop(5))
    await asyncio.sleep(0)
    go_on.set()
    assert [each.event.sequence for each in await reading] == [1, 2]
    await stopping


async def test_a_closed_channel_takes_no_call_and_leaves_those_it_has() -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream)
    async with toy.channel as channel:
        call = toy.stream()
        await call.read()
        assert channel.get_state() is grpc.ChannelConnectivity.READY
    assert call.cancelled()
    assert toy.channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN
    with pytest.raises(grpc.aio.UsageError):
        toy.stream()
    await until(lambda: toy.load.calls == 0)


async def test_a_method_called_in_the_wrong_way_is_unimplemented() -> None:
    toy = Toy(stream=Waiting().stream)
    multi: Any = toy.channel.unary_unary("/toy/Stream")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await multi(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_deadline_that_passed_before_the_call_ends_it_before_its_handler() -> None:
    waiting = Waiting()
    toy = Toy(stream=waiting.stream)
    call = toy.stream(timeout=-1)
    with pytest.raises(grpc.aio.AioRpcError):
        await call.read()
    await asyncio.sleep(0)
    assert waiting.left == []


async def test_a_reader_of_much_that_is_there_lets_others_have_their_turn() -> None:
    async def flood(request: Any, call: Call) -> AsyncGenerator[Any, None]:
        for sequence in range(1000):
            yield message(sequence)

    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(other())
    got = [each async for each in Toy(stream=flood).stream()]
    beside.cancel()
    assert len(got) == 1000
    assert turns >= 1000 // 64


@pytest.mark.parametrize("kind", ["stream", "unary"])
async def test_a_network_channel_closes_beside_a_call_that_waits(kind: str) -> None:
    held = asyncio.Event()

    async def waits(request: Any, call: Call) -> Any:
        await held.wait()
        return message(1)

    async def streams(request: Any, call: Call) -> AsyncGenerator[Any, None]:
        yield await waits(request, call)

    toy = Toy(stream=streams, unary=waits)
    call = toy.stream() if kind == "stream" else toy.unary()
    await until(lambda: bool(toy.load.calls))
    async with grpc.aio.insecure_channel("127.0.0.1:1"):
        pass
    held.set()
    answer = await (call.read() if kind == "stream" else call)
    assert answer.event.sequence == 1
    call.cancel()
