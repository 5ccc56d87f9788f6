"""WebSocket clients that stop reading: cut after their time, told why when they read on, and nobody else waits."""

from __future__ import annotations

import asyncio
from typing import Any

from fakes.engine import Endless, FakeEngine, complete
from fakes.known import KnownOnes, bearer
from fakes.rpc import serving, until
from fakes.sockets import client_of, names, socket_face
from thinkaloud_server.app.socket_protocol import SocketProtocol
from thinkaloud_server.core.event import Token
from thinkaloud_server.web.settings import WebSettings

FLOOD = Endless(Token("x" * 8000))
# The client's library takes one message and then leaves the rest where it is.
STOPPED: dict[str, Any] = {"max_queue": 1, "ping_interval": None, "close_timeout": 0.5}
# What may wait for a client before its writers do.
FULL = 64 * 1024


class Impatient(SocketProtocol):
    """Waits a moment only for a close to be answered."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.close_timeout = 0.2


async def test_a_client_that_stopped_reading_is_cut_and_can_go_on_where_it_was() -> None:
    engine = FakeEngine(FLOOD)
    settings = WebSettings(stall_timeout_s=0.3)
    async with serving(engine) as served, socket_face(served.channel, settings) as sockets:
        async with client_of(sockets.url(), **STOPPED) as client:
            await client.say(text="hi")
            run_id = (await client.hear())["run_id"]
            await until(lambda: engine.watching == 0 and served.server.load.calls == 0 and len(sockets.face) == 0)
            frames, code, reason = await client.closed()
        assert (code, reason) == (4408, "SLOW_CONSUMER")
        assert frames[-1]["data"]["code"] == "CLOSING"
        sequences = [frame["sequence"] for frame in frames[:-1]]
        assert sequences == list(range(2, len(sequences) + 2))
        async with client_of(sockets.url()) as client:
            await client.say(type="resume", run_id=run_id, after_sequence=sequences[-1])
            assert (await client.hear())["sequence"] == sequences[-1] + 1


async def test_a_client_that_never_reads_again_is_dropped_with_all_that_waits_for_it() -> None:
    engine = FakeEngine(FLOOD)
    settings = WebSettings(stall_timeout_s=0.2)
    async with (
        serving(engine) as served,
        socket_face(served.channel, settings, ws=Impatient) as sockets,
        client_of(sockets.url(), **STOPPED) as client,
    ):
        await client.say(text="hi")
        await until(lambda: engine.watching == 1)
        await until(lambda: not sockets.server.server_state.connections)
        assert len(sockets.face) == 0


async def test_a_draining_server_does_not_wait_for_one_who_does_not_read() -> None:
    engine = FakeEngine(FLOOD)
    async with (
        serving(engine) as served,
        socket_face(served.channel, ws=Impatient) as sockets,
        client_of(sockets.url(), **STOPPED) as client,
    ):
        await client.say(text="hi")
        await until(lambda: engine.watching == 1)
        async with asyncio.timeout(2):
            await sockets.face.drain(0)
        await until(lambda: engine.watching == 0 and not sockets.server.server_state.connections)


async def test_a_client_that_takes_not_even_a_close_is_dropped() -> None:
    engine = FakeEngine(FLOOD)
    settings = WebSettings(stall_timeout_s=0.5)
    async with (
        serving(engine) as served,
        socket_face(served.channel, settings, ws=Impatient) as sockets,
        client_of(sockets.url(), **STOPPED) as client,
    ):
        await client.say(text="hi")
        (connection,) = sockets.server.server_state.connections
        await until(lambda: connection.transport.get_write_buffer_size() > FULL)
        await client.socket.send(b"binary frames close the socket")
        await until(lambda: engine.watching == 0 and not sockets.server.server_state.connections)
        assert len(sockets.face) == 0


async def test_a_key_that_is_revoked_is_not_kept_for_one_who_does_not_read() -> None:
    known = KnownOnes("ann")
    async with (
        serving(FakeEngine(FLOOD), authenticator=known) as served,
        socket_face(served.channel, ws=Impatient) as sockets,
        client_of(sockets.url(), additional_headers=bearer("ann"), **STOPPED) as client,
    ):
        await client.say(text="hi")
        (connection,) = sockets.server.server_state.connections
        await until(lambda: connection.transport.get_write_buffer_size() > FULL)
        known.revoke("ann")
        await until(lambda: served.engine.watching == 0 and not sockets.server.server_state.connections)


async def test_a_client_that_reads_slowly_is_not_cut() -> None:
    engine = FakeEngine([*[Token("x" * 100_000)] * 400, complete()])
    settings = WebSettings(stall_timeout_s=1.0)
    async with (
        serving(engine) as served,
        socket_face(served.channel, settings) as sockets,
        client_of(sockets.url(), **STOPPED) as client,
    ):
        await client.say(text="hi")
        frames = [await client.hear()]
        # In all twice the patience, and no wait near it: a send waits for a third of the kernel's buffer to be read,
        # which is some 50 ms here and several times that on a busy machine.
        while frames[-1]["event"] != "complete":
            await asyncio.sleep(0.005)
            frames.append(await client.hear())
        assert [frame["sequence"] for frame in frames] == list(range(1, 403))


async def test_a_client_that_stopped_reading_slows_nobody_else() -> None:
    engine = FakeEngine([Token("x")] * 200 + [complete()])
    engine.scripts["flood"] = FLOOD
    async with (
        serving(engine) as served,
        socket_face(served.channel) as sockets,
        client_of(sockets.url(), **STOPPED) as stopped,
    ):
        await stopped.say(text="flood")
        await stopped.hear()
        for _ in range(5):
            async with asyncio.timeout(5), client_of(sockets.url()) as client:
                assert len(names(await client.turn(text="hi"))) == 202


async def test_a_client_that_pings_and_never_reads_is_not_served_for_ever() -> None:
    settings = WebSettings(stall_timeout_s=0.2, idle_timeout_s=30)
    async with (
        serving(FakeEngine()) as served,
        socket_face(served.channel, settings, ws=Impatient) as sockets,
        client_of(sockets.url(), **STOPPED) as client,
    ):
        message = '{"type":"ping","pad":"' + "x" * 1000 + '"}'

        async def flood() -> None:
            while True:
                await client.socket.send(message)

        flooding = asyncio.create_task(flood())
        await until(lambda: len(sockets.face) == 1)
        await asyncio.wait((flooding,), timeout=20)
        assert flooding.done()
        assert flooding.exception() is not None
        await until(lambda: not sockets.server.server_state.connections)
