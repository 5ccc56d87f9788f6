"""WebSockets on a real port: order, opt-in, errors, stop and resume, and how a socket ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from fakes.engine import FakeEngine, Hold, Script, complete
from fakes.rpc import Served, serving, until
from fakes.sockets import Sockets, client_of, names, socket_face
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Error, Reasoning, Token
from thinkaloud_server.rpc.limits import Limits
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


@asynccontextmanager
async def faced(
    engine: FakeEngine | None = None, *, heartbeat_s: float = 15.0, **options: Any
) -> AsyncIterator[tuple[Served, Sockets]]:
    async with (
        serving(engine, limits=Limits(heartbeat_s=heartbeat_s)) as served,
        socket_face(served.channel, **options) as sockets,
    ):
        yield served, sockets


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


async def test_there_is_no_socket_elsewhere() -> None:
    async with faced() as (_, sockets):
        with pytest.raises(InvalidStatus) as refused:
            async with client_of(sockets.url("/api/v1/chat/message")):
                pass
        assert refused.value.response.status_code == 404


async def test_an_idle_socket_is_closed_after_a_warning_and_not_while_a_run_is_silent() -> None:
    hold = Hold()
    engine = FakeEngine((hold, complete()))
    settings = WebSettings(idle_timeout_s=0.15)
    async with faced(engine, heartbeat_s=0.05, settings=settings) as (_, sockets), client_of(sockets.url()) as client:
        await client.say(text="hi")
        # Eight heartbeats are longer than the patience with idle sockets.
        assert [(await client.hear())["event"] for _ in range(9)] == ["start", *["heartbeat"] * 8]
        hold.release.set()
        assert names(await client.rest()) == ["complete"]
        frames, code, reason = await client.closed()
        assert [(frame["event"], frame["data"]["code"]) for frame in frames] == [("warning", "CLOSING")]
        assert (code, reason) == (4408, "IDLE_TIMEOUT")


@pytest.mark.parametrize("pieces", [1, 7], ids=["whole", "in fragments"])
@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_message_over_the_limit_closes_and_one_at_the_limit_does_not(
    pieces: int, compression: str | None
) -> None:
    settings = WebSettings(message_bytes=4096)
    async with faced(settings=settings, ws_per_message_deflate=True) as (served, sockets):
        room = 4096 - len(json.dumps({"text": ""}))
        async with client_of(sockets.url(), compression=compression) as client:
            assert names(await client.turn(text="x" * room)) == ["start", "token", "complete"]
            text = json.dumps({"text": "x" * (room + 1)})
            size = -(-len(text) // pieces)
            await client.socket.send([text[at : at + size] for at in range(0, len(text), size)])
            _, code, _ = await client.closed()
            assert code == 1009
        assert len(served.engine.turns) == 1


async def test_the_limit_counts_bytes_and_holds_without_the_servers_help() -> None:
    settings = WebSettings(message_bytes=300)
    async with faced(settings=settings, ws_max_size=10_000) as (_, sockets), client_of(sockets.url()) as client:
        await client.socket.send(json.dumps({"text": "é" * 160}, ensure_ascii=False))
        frames, code, reason = await client.closed()
        assert [frame["data"]["code"] for frame in frames] == ["MESSAGE_TOO_LARGE"]
        assert (code, reason) == (1009, "MESSAGE_TOO_LARGE")


async def test_a_frame_over_the_limit_ends_a_live_turn_as_leaving_does() -> None:
    engine = FakeEngine((Hold(), complete()))
    async with faced(engine, settings=WebSettings(message_bytes=1000)) as (_, sockets):
        async with client_of(sockets.url()) as client:
            await client.say(text="hi")
            await client.hear()
            await client.socket.send("x" * 2000)
            assert (await client.closed())[1] == 1009
        await until(lambda: engine.watching == 0)


async def test_a_binary_message_closes_with_its_code() -> None:
    async with faced() as (_, sockets), client_of(sockets.url()) as client:
        await client.socket.send(b'{"text":"hi"}')
        frames, code, _ = await client.closed()
        assert ([frame["data"]["code"] for frame in frames], code) == (["UNSUPPORTED_MEDIA_TYPE"], 1003)


async def test_nonsense_without_end_closes_after_a_warning() -> None:
    async with faced() as (_, sockets), client_of(sockets.url()) as client:
        for _ in range(20):
            await client.socket.send("?")
        frames, code, _ = await client.closed()
        assert [frame["data"]["code"] for frame in frames] == ["MALFORMED_REQUEST"] * 20 + ["CLOSING"]
        assert code == 1008


async def test_deflate_is_not_spoken_unless_it_is_switched_on() -> None:
    async with faced() as (_, sockets), client_of(sockets.url(), compression="deflate") as client:
        assert client.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in client.socket.response.headers


async def test_a_draining_server_sends_idle_clients_away_and_lets_turns_end() -> None:
    hold = Hold()
    engine = FakeEngine((hold, complete()))
    async with faced(engine) as (_, sockets), client_of(sockets.url()) as idle, client_of(sockets.url()) as busy:
        await busy.say(text="hi")
        await busy.hear()
        drained = asyncio.create_task(sockets.face.drain(30))
        frames, code, reason = await idle.closed()
        assert [(frame["event"], frame["data"]["code"]) for frame in frames] == [("warning", "RECONNECT")]
        assert (code, reason) == (1001, "DRAINING")
        await busy.say(type="ping")
        assert (await busy.hear())["event"] == "pong"
        hold.release.set()
        frames, code, _ = await busy.closed()
        assert [(frame["event"], frame["sequence"]) for frame in frames] == [("complete", 2), ("warning", 0)]
        assert code == 1001
        await drained


async def test_a_draining_server_leaves_turns_that_do_not_end() -> None:
    engine = FakeEngine((Hold(), complete()))
    async with faced(engine) as (_, sockets), client_of(sockets.url()) as client:
        await client.say(text="hi")
        await client.hear()
        await sockets.face.drain(0)
        frames, code, _ = await client.closed()
        assert ([frame["data"]["code"] for frame in frames], code) == (["RECONNECT"], 1001)
        await until(lambda: engine.watching == 0)


async def test_a_thousand_sockets_are_open_at_once_and_each_is_served() -> None:
    async with faced() as (_, sockets):
        async with asyncio.TaskGroup() as group:
            opened = asyncio.Semaphore(50)
            leave = asyncio.Event()

            async def one() -> list[str]:
                async with opened:
                    opening = client_of(sockets.url(), ping_interval=None)
                    client = await opening.__aenter__()
                try:
                    await leave.wait()
                    async with opened:
                        return names(await client.turn(text="hi"))
                finally:
                    await opening.__aexit__(None, None, None)

            clients = [group.create_task(one()) for _ in range(1000)]
            async with asyncio.timeout(30):
                while len(sockets.face) < 1000:  # noqa: ASYNC110 - it is told by no event
                    await asyncio.sleep(0.01)
            leave.set()
        assert {tuple(each.result()) for each in clients} == {("start", "token", "complete")}
