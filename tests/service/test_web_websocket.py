"""WebSockets on a real port: order, opt-in, errors, stop and resume, and how a socket ends."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from fakes.engine import FakeEngine, Hold, Script, complete
from fakes.rpc import until
from fakes.sockets import client_of, faced, names
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Error, Reasoning, Token
from thinkaloud_server.web.settings import WebSettings

INTERLEAVED = (
    Reasoning("first "),
    Token("17*23 "),
    Reasoning("then "),
    Token("= 391"),
    Reasoning("after"),
    # The id that the engine gives to its first run.
    complete("17*23 = 391", "first then after", run_id=f"run_{1:032x}"),
)


async def test_a_client_that_knows_only_text_token_and_complete_is_answered() -> None:
    async with faced() as (_, sockets), client_of(sockets.url()) as client:
        frames = await client.turn(text="hi")
        assert names(frames) == ["start", "token", "complete"]
        assert frames[1]["data"]["token"] == "391"
        assert frames[2]["data"]["response"] == "391"


async def test_events_come_in_the_order_of_the_log_and_are_of_their_run() -> None:
    engine = FakeEngine(INTERLEAVED)
    async with faced(engine) as (_, sockets), client_of(sockets.url()) as client:
        frames = await client.turn(type="chat", text="hi", include_reasoning=True)
        assert names(frames) == ["start", "reasoning", "token", "reasoning", "token", "reasoning", "complete"]
        assert [frame["sequence"] for frame in frames] == list(range(1, 8))
        assert {frame["run_id"] for frame in frames} == {frames[0]["data"]["run_id"]}
        assert frames[1]["data"] == {"token": "first ", "kind": "raw", "index": 0}
        assert frames[6]["data"]["reasoning"] == "first then after"


async def test_reasoning_reaches_only_those_who_asked() -> None:
    engine = FakeEngine(INTERLEAVED)
    async with faced(engine) as (_, sockets), client_of(sockets.url()) as client:
        for asked in ({}, {"include_reasoning": False}):
            frames = await client.turn(text="hi", **asked)
            assert [(frame["event"], frame["sequence"]) for frame in frames] == [
                *(("start", 1), ("token", 3), ("token", 5), ("complete", 7))
            ]
            assert not {"first", "then", "after"} & set(json.dumps(frames).replace('"', " ").split())
        assert "reasoning" in names(await client.turn(text="hi", include_reasoning=True))


async def test_turns_follow_each_other_on_one_socket() -> None:
    async with faced() as (served, sockets), client_of(sockets.url()) as client:
        runs = [(await client.turn(text=f"turn {number}"))[0]["run_id"] for number in range(5)]
        assert len(set(runs)) == 5
        assert [turn.request_id for turn in served.engine.turns] == ["req-1"] * 5


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ({}, "VALIDATION_FAILED", "text"),
        ({"text": "hi", "nonsense": 1}, "UNKNOWN_FIELD", "nonsense"),
        ({"text": 7}, "VALIDATION_FAILED", "text"),
        ({"text": "hi", "max_iterations": 1000}, "VALIDATION_FAILED", "max_iterations"),
        ({"type": "resume", "run_id": "run_" + "9" * 32}, "NOT_FOUND", None),
        ({"type": "resume", "run_id": "nonsense"}, "INVALID_ID", "run_id"),
        ({"type": "stop", "run_id": "run_" + "9" * 32}, "NOT_FOUND", None),
        ({"type": "stop"}, "VALIDATION_FAILED", None),
        ({"type": "nonsense"}, "MALFORMED_REQUEST", None),
    ],
)
async def test_a_bad_message_is_answered_and_the_socket_lives_on(
    message: dict[str, Any], code: str, field: str | None
) -> None:
    async with faced() as (_, sockets), client_of(sockets.url()) as client:
        (error,) = await client.turn(**message)
        assert "run_id" not in error
        assert error["sequence"] == 0
        assert error["data"]["code"] == code
        assert error["data"]["request_id"] == "req-1"
        violations = error["data"]["details"].get("field_violations", [])
        assert [each["field"] for each in violations] == ([field] if field else [])
        assert names(await client.turn(text="hi")) == ["start", "token", "complete"]


async def test_an_error_after_the_first_event_is_told_once_and_the_socket_lives_on() -> None:
    engine = FakeEngine()
    engine.scripts["break"] = (
        Token("17*"),
        Error("UPSTREAM_TRUNCATED", "cut", "req-1", partial=True),
    )
    async with faced(engine) as (_, sockets), client_of(sockets.url()) as client:
        frames = await client.turn(text="break")
        assert names(frames) == ["start", "token", "error"]
        assert frames[2]["run_id"] == frames[0]["run_id"]
        assert frames[2]["sequence"] == 3
        assert (frames[2]["data"]["code"], frames[2]["data"]["partial"]) == ("UPSTREAM_TRUNCATED", True)
        # Not told again as the status of the stream: the next thing said is the pong.
        await client.say(type="ping")
        assert (await client.hear())["event"] == "pong"


async def test_a_stream_that_broke_is_no_failure_of_its_run_and_can_be_resumed() -> None:
    broken: Script = (Token("17*"), ChatError(ErrorReason.CONVERSATION_BUSY, "the log broke"), Token("23"), complete())
    async with faced(FakeEngine(broken)) as (_, sockets), client_of(sockets.url()) as client:
        frames = await client.turn(text="hi")
        assert names(frames) == ["start", "token", "error"]
        assert "run_id" not in frames[2]


async def test_a_second_turn_is_refused_while_one_runs_and_the_run_goes_on() -> None:
    hold = Hold()
    engine = FakeEngine((Token("17*"), hold, Token("23"), complete()))
    async with faced(engine) as (_, sockets), client_of(sockets.url()) as client:
        await client.say(text="hi")
        assert names([await client.hear(), await client.hear()]) == ["start", "token"]
        for message in ({"text": "again"}, {"type": "resume", "run_id": "run_1"}):
            await client.say(**message)
            refused = await client.hear()
            assert (refused["event"], refused["data"]["code"]) == ("error", "CONVERSATION_BUSY")
            assert "run_id" not in refused
        hold.release.set()
        assert names(await client.rest()) == ["token", "complete"]


async def test_the_socket_is_read_while_a_turn_runs() -> None:
    hold = Hold()
    async with faced(FakeEngine((hold, complete()))) as (_, sockets), client_of(sockets.url()) as client:
        await client.say(text="hi")
        await client.hear()
        for _ in range(3):
            await client.say(type="ping")
            assert await client.hear() == {"event": "pong", "sequence": 0, "data": {}}
        hold.release.set()
        assert names(await client.rest()) == ["complete"]


async def test_a_thinking_model_is_known_to_live_by_its_heartbeats() -> None:
    hold = Hold()
    engine = FakeEngine((Reasoning("hm"), hold, complete()))
    async with faced(engine, heartbeat_s=0.05) as (_, sockets), client_of(sockets.url()) as client:
        await client.say(text="hi")
        assert (await client.hear())["event"] == "start"
        beats = [await client.hear() for _ in range(3)]
        assert {beat["event"] for beat in beats} == {"heartbeat"}
        assert {beat["sequence"] for beat in beats} == {0}
        # The reasoning that this caller does not see has passed all the same.
        assert beats[-1]["data"] == {"last_sequence": 2}
        hold.release.set()
        assert names(await client.rest()) == ["complete"]


async def test_heartbeats_come_before_the_first_event_of_a_queued_turn() -> None:
    engine = FakeEngine()
    engine.begin_hold = Hold()
    async with faced(engine, heartbeat_s=0.03) as (_, sockets), client_of(sockets.url()) as client:
        await client.say(text="hi", on_busy="queue")
        beat = await client.hear()
        assert beat == {"event": "heartbeat", "sequence": 0, "data": {"last_sequence": 0}}
        engine.begin_hold.release.set()
        assert names(await client.rest()) == ["start", "token", "complete"]


async def test_resume_goes_on_after_an_event_and_turns_follow() -> None:
    engine = FakeEngine(INTERLEAVED)
    async with faced(engine) as (_, sockets):
        async with client_of(sockets.url()) as client:
            whole = await client.turn(text="hi", include_reasoning=True)
        run_id = whole[0]["run_id"]
        async with client_of(sockets.url()) as client:
            for after in range(len(whole)):
                rest = await client.turn(type="resume", run_id=run_id, after_sequence=after, include_reasoning=True)
                assert rest == whole[after:]
            (ahead,) = await client.turn(type="resume", run_id=run_id, after_sequence=99)
            assert ahead["data"]["code"] == "SEQUENCE_AHEAD"
            assert names(await client.turn(text="hi")) == ["start", "token", "token", "complete"]


async def test_a_path_that_names_its_run_needs_no_message_and_closes_at_the_end() -> None:
    engine = FakeEngine(INTERLEAVED)
    async with faced(engine) as (_, sockets):
        async with client_of(sockets.url()) as client:
            whole = await client.turn(text="hi", include_reasoning=True)
        path = f"/api/v1/runs/{whole[0]['run_id']}/stream"
        async with client_of(sockets.url(f"{path}?after_sequence=2&include_reasoning=true")) as client:
            assert await client.closed() == (whole[2:], 1000, "")
        async with client_of(sockets.url(f"{path}?after_sequence=99")) as client:
            frames, code, reason = await client.closed()
            assert ([frame["data"]["code"] for frame in frames], code, reason) == (
                ["SEQUENCE_AHEAD"],
                1000,
                "SEQUENCE_AHEAD",
            )
        async with client_of(sockets.url(f"{path}?nonsense=1")) as client:
            frames, code, _ = await client.closed()
            assert ([frame["data"]["code"] for frame in frames], code) == (["UNKNOWN_FIELD"], 1000)


async def test_leaving_the_socket_leaves_the_stream() -> None:
    engine = FakeEngine((Hold(), complete()))
    async with faced(engine) as (served, sockets):
        async with client_of(sockets.url()) as client:
            await client.say(text="hi")
            await client.hear()
            assert engine.watching == 1
        await until(lambda: engine.watching == 0 and served.server.load.calls == 0)
        async with client_of(sockets.url()) as client:
            await client.say(text="hi")
            await client.hear()
            client.socket.transport.abort()
            await until(lambda: engine.watching == 0 and served.server.load.calls == 0)


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (None, True),
        ("http://{host}", True),
        ("HTTP://{host}", True),
        ("https://{host}", True),
        ("http://evil.example", False),
        ("http://{host}.evil.example", False),
        ("null", False),
        ("", False),
        ("https://app.example", True),
        ("https://app.example:8443", False),
        ("https://APP.example", False),
    ],
)
async def test_pages_of_elsewhere_are_refused_at_the_handshake(origin: str | None, passes: bool) -> None:
    async with faced(settings=WebSettings(origins=("https://app.example",))) as (_, sockets):
        headers = {} if origin is None else {"Origin": origin.format(host=sockets.address)}
        if passes:
            async with client_of(sockets.url(), additional_headers=headers) as client:
                assert names(await client.turn(text="hi")) == ["start", "token", "complete"]
            return
        with pytest.raises(InvalidStatus) as refused:
            async with client_of(sockets.url(), additional_headers=headers):
                pass
        response = refused.value.response
        assert response.status_code == 403
        error = json.loads(response.body)["error"]
        assert (error["code"], error["request_id"]) == ("ORIGIN_NOT_ALLOWED", "req-1")


async def test_a_handshake_that_is_refused_is_no_fault_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async with faced() as (_, sockets):
        with pytest.raises(InvalidStatus):
            async with client_of(sockets.url(), additional_headers={"Origin": "http://evil.example"}):
                pass
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_there_is_no_socket_elsewhere() -> None:
    async with faced() as (_, sockets):
        with pytest.raises(InvalidStatus) as refused:
            async with client_of(sockets.url("/api/v1/chat/message")):
                pass
        assert refused.value.response.status_code == 404
