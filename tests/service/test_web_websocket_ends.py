"""How a WebSocket ends: idle, too large, binary, nonsense, a draining server; and a thousand of them at once."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Message

from fakes.engine import FakeEngine, Hold, complete
from fakes.rpc import until
from fakes.sockets import CHAT, client_of, faced, names
from thinkaloud_server.web.settings import WebSettings


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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("?", "MALFORMED_REQUEST"),
        ('{"text":7}', "VALIDATION_FAILED"),
        ('{"text":"hi","max_iterations":101}', "VALIDATION_FAILED"),
        ('{"type":"resume","run_id":"run_00000000000000000000000000000000"}', "NOT_FOUND"),
    ],
    ids=["no JSON", "a field of another type", "a field that the service refuses", "a run that is not there"],
)
async def test_nonsense_without_end_closes_after_a_warning(text: str, told: str) -> None:
    async with faced() as (_, sockets), client_of(sockets.url()) as client:
        for _ in range(19):
            await client.socket.send(text)
            frame = await client.hear()
            assert (frame["event"], frame["data"]["code"]) == ("error", told)
        await client.socket.send(text)
        frames, code, _ = await client.closed()
        assert [frame["data"]["code"] for frame in frames] == [told, "CLOSING"]
        assert code == 1008


async def test_what_is_wrong_with_a_message_is_said_of_the_message() -> None:
    async with faced() as (_, sockets), client_of(sockets.url()) as client:
        await client.socket.send('{"text":')
        assert (await client.hear())["data"]["message"].startswith("the message is no JSON at line 1")


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


def masked(opcode: int, payload: bytes) -> bytes:
    """A final frame of a client, under a mask of zeros."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0x80 | 126, *len(payload).to_bytes(2, "big")])
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


@pytest.mark.parametrize("streaming", [False, True], ids=["idle", "streaming"])
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (masked(1, b'{"text":"\xff\xfe"}'), 1007),
        (b"\x81\x02{}", 1002),
        (masked(3, b"{}"), 1002),
        (masked(9, b"x" * 126), 1002),
        (masked(0, b"{}"), 1002),
        (masked(2, b"{}"), 1003),
    ],
    ids=["invalid UTF-8", "no mask", "reserved opcode", "large ping", "continues nothing", "binary"],
)
async def test_a_broken_frame_closes_by_its_code_and_leaves_nothing_behind(
    frame: bytes, code: int, streaming: bool
) -> None:
    engine = FakeEngine((Hold(), complete()))
    async with faced(engine) as (served, sockets), client_of(sockets.url()) as client:
        if streaming:
            await client.say(text="hi")
            await client.hear()
        client.socket.transport.write(frame)
        assert (await client.closed())[1] == code
        await until(lambda: engine.watching == 0 and served.server.load.calls == 0 and len(sockets.face) == 0)
        async with client_of(sockets.url("/api/v1/chat/stream")) as other:
            await other.say(type="ping")
            assert (await other.hear())["event"] == "pong"


async def test_a_client_that_is_gone_when_it_is_answered_is_no_failure() -> None:
    heard = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": '{"type":"ping"}'}])
    sent: list[str] = []

    async def receive() -> Message:
        return next(heard)

    async def send(message: Message) -> None:
        sent.append(message["type"])
        if message["type"] == "websocket.send":
            raise ConnectionResetError

    async with faced() as (_, sockets):
        scope = {
            "type": "websocket",
            "raw_path": CHAT.encode(),
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        await sockets.face(scope, receive, send)
        assert sent == ["websocket.accept", "websocket.send"]
        assert len(sockets.face) == 0
