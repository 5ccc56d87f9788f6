"""Chat, SendMessage and BatchChat over a real socket."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import pytest

from fakes.engine import FakeEngine, Hold, complete, thinking
from fakes.rpc import ON_A_SOCKET, collect, refused, serving, until
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1.chat_service_pb2_grpc import ChatServiceStub
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Error, Event, Progress, Reasoning, Token
from thinkaloud_server.rpc.limits import Limits

pytestmark = pytest.mark.usefixtures("channel_kind")

QUICK = Limits(heartbeat_s=0.05)
FAILED = Error("UPSTREAM_TRUNCATED", "cut off", "req-of-the-run", True, {"near": ["a"]})


def ask(text: str = "hi", **fields: Any) -> pb.ChatRequest:
    return pb.ChatRequest(text=text, **fields)


async def answer(call: Any) -> Any:
    return await call


def kinds(responses: list[pb.ChatResponse]) -> list[str]:
    return [str(each.event.WhichOneof("event")) for each in responses]


async def test_a_chat_begins_with_start_and_ends_with_complete() -> None:
    async with serving() as served:
        call = served.chat.Chat(ask(include_reasoning=True), metadata=(("x-request-id", "mine-1"),))
        got = [each async for each in call]
        assert kinds(got) == ["start", "reasoning", "token", "complete"]
        assert [each.event.sequence for each in got] == [1, 2, 3, 4]
        assert got[0].event.start.request_id == "mine-1"
        assert got[-1].event.complete.reasoning == "17*23 is 391"
        assert await call.code() is grpc.StatusCode.OK


async def test_a_caller_who_did_not_ask_sees_gaps_and_no_reasoning() -> None:
    async with serving() as served:
        got = [each async for each in served.chat.Chat(ask())]
        assert kinds(got) == ["start", "token", "complete"]
        assert [each.event.sequence for each in got] == [1, 3, 4]
        assert not got[-1].event.complete.HasField("reasoning")


@pytest.mark.parametrize("page_events", [1, 3, 1000])
async def test_every_event_arrives_once_and_in_order_however_they_are_read(page_events: int) -> None:
    script: list[Event] = [Token(f"{number} ") for number in range(500)]
    async with serving(FakeEngine([*script, complete()], page_events=page_events)) as served:
        got = [each async for each in served.chat.Chat(ask())]
        assert [each.event.sequence for each in got] == list(range(1, 503))
        assert "".join(each.event.token.token for each in got) == "".join(f"{number} " for number in range(500))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ((), "made-1"),
        ((("x-request-id", "A.b_c-9"),), "A.b_c-9"),
        ((("x-correlation-id", "theirs"),), "theirs"),
        ((("x-request-id", "one"), ("x-correlation-id", "two")), "one"),
        ((("x-request-id", "has space"),), "made-1"),
        ((("x-request-id", "x" * 129),), "made-1"),
        ((("x-request-id", "<b>"),), "made-1"),
    ],
    ids=["none", "well-formed", "correlation", "both", "space", "long", "html"],
)
async def test_a_well_formed_request_id_is_kept(metadata: tuple[tuple[str, str], ...], expected: str) -> None:
    async with serving() as served:
        call = served.chat.SendMessage(pb.SendMessageRequest(request=ask()), metadata=metadata)
        assert (await call.initial_metadata()).get("x-request-id") == expected
        await call
        assert served.engine.turns[0].request_id == expected
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.chat.SendMessage(pb.SendMessageRequest(), metadata=metadata)
        assert refused(caught.value).request_id == expected.replace("made-1", "made-2")


# Life signs.


async def test_silence_is_filled_with_life_signs_from_the_first_moment() -> None:
    engine = FakeEngine([Token("a"), hold := Hold(), complete()])
    engine.begin_hold = Hold()
    async with serving(engine, limits=QUICK) as served:
        call = served.chat.Chat(ask())
        first = await call.read()
        assert (first.event.sequence, first.event.heartbeat.last_sequence) == (0, 0)
        assert first.event.WhichOneof("event") == "heartbeat"
        engine.begin_hold.release.set()
        seen: list[pb.ChatResponse] = []
        while "token" not in kinds(seen):
            seen.append(await call.read())
        beat = await call.read()
        assert (beat.event.sequence, beat.event.heartbeat.last_sequence) == (0, 2)
        hold.release.set()
        rest = [await call.read()]
        while kinds(rest)[-1] == "heartbeat":
            rest.append(await call.read())
        assert kinds(rest)[-1] == "complete"


async def test_filtered_reasoning_is_silence_and_the_life_sign_tells_how_far_it_went() -> None:
    holds = [Hold() for _ in range(40)]
    steps = [step for hold in holds for step in (Reasoning("hm"), hold)]
    async with serving(FakeEngine([*steps, complete()]), limits=QUICK) as served:
        call = served.chat.Chat(ask())
        assert (await call.read()).event.WhichOneof("event") == "start"

        # Reasoning comes more often than life signs are due: only the clock of what was said can make them come.
        async def release() -> None:
            for hold in holds:
                await asyncio.sleep(0.01)
                hold.release.set()

        task = asyncio.ensure_future(release())
        beats, _ = await collect(call)
        await task
        assert kinds(beats)[-1] == "complete"
        assert set(kinds(beats)[:-1]) == {"heartbeat"}
        lasts = [each.event.heartbeat.last_sequence for each in beats[:-1]]
        assert len(lasts) >= 3
        assert lasts == sorted(lasts)
        assert 1 < lasts[0] < lasts[-1] <= 41


async def test_a_stream_that_says_something_has_no_life_signs() -> None:
    async with serving(limits=QUICK) as served:
        got = [each async for each in served.chat.Chat(ask())]
        assert "heartbeat" not in kinds(got)


# Failures.


async def test_a_failed_run_ends_with_its_event_and_then_with_the_same_status() -> None:
    async with serving(FakeEngine([Token("a"), FAILED])) as served:
        got, error = await collect(served.chat.Chat(ask()))
        assert error is not None
        assert kinds(got) == ["start", "token", "error"]
        event = got[-1].event.error
        status = refused(error)
        assert status.code is grpc.StatusCode.ABORTED
        assert (status.reason, status.message) == (event.code, event.message) == ("UPSTREAM_TRUNCATED", "cut off")
        assert event.partial
        assert status.metadata == {"near": '["a"]'}


async def test_a_refusal_before_the_start_is_a_status_alone() -> None:
    engine = FakeEngine()
    engine.begin_failure = ChatError(ErrorReason.CONVERSATION_BUSY, "has a live run")
    async with serving(engine) as served:
        call = served.chat.Chat(ask())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert refused(caught.value).reason == "CONVERSATION_BUSY"


async def test_a_log_that_cannot_be_read_ends_the_stream_without_ending_the_run() -> None:
    trouble = ChatError(ErrorReason.STORAGE_UNAVAILABLE, "the store does not answer")
    async with serving(FakeEngine([Token("a"), trouble])) as served:
        got, error = await collect(served.chat.Chat(ask()))
        assert error is not None
        assert kinds(got) == ["start", "token"]
        status = refused(error)
        assert (status.code, status.reason) == (grpc.StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE")
        assert status.retry_after_s == 1


async def test_the_whole_answer_is_the_data_of_complete() -> None:
    async with serving() as served:
        request = pb.SendMessageRequest(request=ask(include_reasoning=True))
        answer = (await served.chat.SendMessage(request)).complete
        assert (answer.response, answer.reasoning) == ("391", "17*23 is 391")
        hidden = (await served.chat.SendMessage(pb.SendMessageRequest(request=ask()))).complete
        assert not hidden.HasField("reasoning")


async def test_a_failed_run_is_the_status_of_a_whole_answer() -> None:
    async with serving(FakeEngine([FAILED])) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.chat.SendMessage(pb.SendMessageRequest(request=ask()))
        assert refused(caught.value).reason == "UPSTREAM_TRUNCATED"


async def test_the_answer_of_a_run_that_ended_long_ago_is_its_result() -> None:
    # An idempotency key outlives the events of its run, so the log may be gone.
    engine = FakeEngine()
    ended, _ = await engine.get_run("default", engine.add(thinking("x", "kept")).run_id)

    async def begin(tenant: str, turn: object) -> Any:
        return ended

    engine.begin = begin  # type: ignore[method-assign]
    async with serving(engine) as served:
        answer = await served.chat.SendMessage(pb.SendMessageRequest(request=ask()))
        assert answer.complete.response == "kept"


# Leaving.


@pytest.mark.parametrize("where", ["stream", "unary", "beginning"])
async def test_a_client_that_cancels_leaves_its_watch(where: str) -> None:
    engine = FakeEngine([Token("a"), Hold(), complete()])
    if where == "beginning":
        engine.begin_hold = Hold()
    async with serving(engine) as served:
        if where == "unary":
            call = served.chat.SendMessage(pb.SendMessageRequest(request=ask()))
            waiting = asyncio.ensure_future(answer(call))
            await until(lambda: engine.watching == 1)
        else:
            call = served.chat.Chat(ask())
            waiting = asyncio.ensure_future(call.initial_metadata())
            await until(lambda: len(engine.turns) == 1)
        call.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: engine.watching == 0 and served.server.load.calls == 0)


@ON_A_SOCKET
async def test_a_client_that_vanishes_leaves_its_watch() -> None:
    engine = FakeEngine([Token("a"), Hold(), complete()])
    async with serving(engine) as served:
        async with grpc.aio.insecure_channel(served.address, options=[("grpc.use_local_subchannel_pool", 1)]) as other:
            await ChatServiceStub(other).Chat(ask()).read()
            assert engine.watching == 1
        await until(lambda: engine.watching == 0)


async def test_the_time_that_the_caller_has_left_reaches_the_engine() -> None:
    async with serving() as served:
        await served.chat.SendMessage(pb.SendMessageRequest(request=ask()), timeout=20)
        await served.chat.SendMessage(pb.SendMessageRequest(request=ask()))
        assert 15 < (served.engine.turns[0].deadline_s or 0) < 25  # grpc rounds it up
        assert served.engine.turns[1].deadline_s is None


@pytest.mark.parametrize("timeout", [0.001, 0.05])
async def test_a_passed_deadline_is_deadline_exceeded(timeout: float) -> None:
    engine = FakeEngine([Hold(), complete()])
    async with serving(engine) as served:
        _, error = await collect(served.chat.Chat(ask(), timeout=timeout))
        assert error is not None
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.chat.SendMessage(pb.SendMessageRequest(request=ask()), timeout=timeout)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: engine.watching == 0 and served.server.load.calls == 0)


# Batches.


async def test_a_batch_answers_each_in_its_place() -> None:
    engine = FakeEngine()
    engine.scripts = {
        "fails": [FAILED],
        "plain": [complete("first")],
        "breaks": [ValueError("canary")],
        "refused": [ChatError(ErrorReason.STORAGE_UNAVAILABLE, "no")],
    }
    async with serving(engine) as served:
        requests = [ask("plain"), ask("fails"), ask(""), ask("think", include_reasoning=True), ask("breaks")]
        batch = pb.BatchChatRequest(requests=[*requests, ask("refused"), ask("think")])
        results = (await served.chat.BatchChat(batch)).results
        assert [each.index for each in results] == list(range(7))
        assert results[0].complete.response == "first"
        assert results[1].error.code == "UPSTREAM_TRUNCATED"
        assert results[2].error.code == "VALIDATION_FAILED"
        assert results[2].error.details["field_violations"][0]["field"] == "text"
        assert results[3].complete.reasoning == "17*23 is 391"
        assert (results[4].error.code, results[4].error.message) == ("INTERNAL", "internal error")
        assert results[5].error.code == "STORAGE_UNAVAILABLE"
        assert results[5].error.details["retry_after_s"] == 1
        assert not results[6].complete.HasField("reasoning")
        assert all(each.error.request_id for each in results if each.HasField("error"))


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_has_one_to_a_hundred_entries(count: int) -> None:
    async with serving() as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.chat.BatchChat(pb.BatchChatRequest(requests=[ask()] * count))
        assert "requests" in refused(caught.value).fields
        assert not served.engine.turns


async def test_a_batch_runs_some_at_a_time_and_all_of_them() -> None:
    hold = Hold()
    engine = FakeEngine([hold, complete()])
    async with serving(engine, limits=Limits(batch_concurrent=4)) as served:
        call = served.chat.BatchChat(pb.BatchChatRequest(requests=[ask()] * 100))
        waiting = asyncio.ensure_future(answer(call))
        await until(lambda: engine.watching == 4)
        assert len(engine.turns) == 4
        hold.release.set()
        assert len((await waiting).results) == 100
        assert len(engine.turns) == 100


async def test_a_batch_that_is_left_leaves_all_its_watches() -> None:
    engine = FakeEngine([Hold(), complete()])
    async with serving(engine) as served:
        call = served.chat.BatchChat(pb.BatchChatRequest(requests=[ask()] * 20))
        await until(lambda: engine.watching == 16)
        call.cancel()
        await until(lambda: engine.watching == 0)


async def test_results_that_do_not_fit_into_one_message_are_named_by_their_run() -> None:
    engine = FakeEngine([complete("x" * 4000)])
    async with serving(engine, limits=Limits(response_bytes=10_000)) as served:
        results = (await served.chat.BatchChat(pb.BatchChatRequest(requests=[ask()] * 4))).results
        assert [each.WhichOneof("result") for each in results] == ["complete", "complete", "error", "error"]
        assert results[3].error.code == "MESSAGE_TOO_LARGE"
        assert results[3].error.details["run_id"].startswith("run_")


async def test_a_draining_server_takes_no_batch() -> None:
    async with serving() as served:
        served.engine.looks.draining = True
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.chat.BatchChat(pb.BatchChatRequest(requests=[ask()]))
        assert refused(caught.value).reason == "DRAINING"


# The access log.


async def test_each_call_leaves_one_record_without_any_text(
    caplog: pytest.LogCaptureFixture, channel_kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "canary-of-the-user"
    script: list[Event] = [Progress(1, 5), Token(secret), complete(secret, secret)]
    async with serving(FakeEngine(script)) as served:
        async for _ in served.chat.Chat(ask(secret), metadata=(("authorization", f"Bearer {secret}"),)):
            pass
        with pytest.raises(grpc.aio.AioRpcError):
            await served.chat.SendMessage(pb.SendMessageRequest(), metadata=(("x-request-id", "r-2"),))
    streamed, unary = (record for record in caplog.records if record.name == "thinkaloud.access")
    fields = vars(streamed)
    assert streamed.getMessage() == "rpc_completed"
    assert fields["method"] == "/thinkaloud.v1.ChatService/Chat"
    assert (fields["code"], fields["reason"], fields["events"]) == ("OK", "", 4)
    assert fields["run_id"].startswith("run_")
    assert fields["peer"].startswith("local" if channel_kind == "local" else "ipv4:127.0.0.1:")
    assert 0 <= fields["first_event_ms"] <= fields["duration_ms"] < 10_000
    assert (fields["provider_connect_ms"], fields["provider_first_token_ms"]) == (1.5, 3.5)
    assert (vars(unary)["code"], vars(unary)["reason"]) == ("INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert vars(unary)["request_id"] == "r-2"
    assert secret not in "".join(str(vars(record)) for record in caplog.records)


async def test_a_call_that_was_left_is_logged_as_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.access")
    engine = FakeEngine([Hold(), complete()])
    async with serving(engine) as served:
        call = served.chat.Chat(ask())
        await call.read()
        call.cancel()
        await until(lambda: engine.watching == 0)
    (record,) = (record for record in caplog.records if record.name == "thinkaloud.access")
    assert vars(record)["code"] == "CANCELLED"
    assert vars(record)["events"] == 1
