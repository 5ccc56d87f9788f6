"""Bytes that no gRPC client sends, to the gRPC port: what is not to be answered is closed, and nobody else notices."""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest

from fakes.abused import MODEL, RSS_GROWTH_MAX, TEXT, House, check_told, house, rss
from fakes.certified import Certified
from fakes.chat_wire import chat_reply
from fakes.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    head_of,
    hostile,
)
from fakes.provider import Gate
from fakes.rpc import collect, refused, serving, until
from fakes.stubs import stubs
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import system_service_pb2
from thinkaloud_server.app.config_tls import TlsSection
from thinkaloud_server.app.renewal import Renewal
from thinkaloud_server.rpc.limits import Limits

CHAT = "/thinkaloud.v1.ChatService/Chat"
OPENING = PREFACE + frame(SETTINGS)
ASKED = pb.ChatRequest(text="go", model=MODEL).SerializeToString()
MESSAGE = b"\x00" + struct.pack(">I", len(ASKED)) + ASKED


@pytest.fixture
async def abused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    with caplog.at_level(logging.INFO):
        async with house(tmp_path, caplog) as found:
            yield found


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(509),
        bytes(range(256)) * 8,
        PREFACE + b"\xff" * 64,
        PREFACE + frame(DATA, 0, 0, b"x"),
        OPENING + frame(SETTINGS, 0, 0, b"12345"),
        OPENING + frame(CONTINUATION, END_HEADERS, 1, b""),
        OPENING + frame(PING, 0, 0, b"short"),
    ],
    ids=[
        "GR14-HTTP 1.1",
        "GR14-TLS",
        "GR14-any bytes",
        "GR14-no settings",
        "GR14-data of no stream",
        "GR12-settings of an odd length",
        "GR12-continues nothing",
        "GR12-short ping",
    ],
)
async def test_what_is_no_http2_is_closed(sent: bytes, abused: House) -> None:
    async with hostile(abused.whole.address, sent) as client:
        said = await client.gone(within_s=20)
    check_told(said.decode("latin-1"), "MALFORMED_REQUEST")


@pytest.mark.parametrize("sent", [b"", PREFACE[:10], PREFACE], ids=["nothing", "half a word", "no settings"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_who_says_nothing_is_not_waited_for(sent: bytes, tls: bool, tmp_path: Path) -> None:
    """GR14: a handshake has its time, whatever it is that does not come."""
    renewal = Renewal(TlsSection.model_validate(Certified(tmp_path).section())) if tls else None
    credentials = renewal.credentials() if renewal else None
    async with (
        serving(limits=Limits(handshake_timeout_s=0.3), credentials=credentials) as served,
        hostile(served.address, sent if not tls else sent[:1].replace(b"P", b"\x16")) as client,
    ):
        await client.gone(within_s=5)
        await served.system.GetHealth(system_service_pb2.GetHealthRequest(), timeout=5)


FLOODS: dict[str, Callable[[int], bytes]] = {
    "CONTINUATION": lambda number: (
        frame(HEADERS, 0, 1, head_of(CHAT)) if number == 0 else frame(CONTINUATION, 0, 1, b"\x00\x01a\x7f" + b"b" * 127)
    ),
    "PING": lambda number: frame(PING, 0, 0, struct.pack(">Q", number)),
    "SETTINGS": lambda _: frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100)),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_of_frames_costs_little_and_does_not_last(flood: str, abused: House) -> None:
    """GR12. The client writes and never reads: what the server would answer must not pile up either."""
    before = rss()
    async with hostile(abused.whole.address, OPENING) as client:
        for number in range(0, 20_000, 100):
            batch = b"".join(FLOODS[flood](each) for each in range(number, number + 100))
            try:
                async with asyncio.timeout(2):
                    if not await client.send(batch):
                        break
            except TimeoutError:
                break  # it reads no more from one that does not read: as good as a close
        async with stubs(abused.whole.address) as caller:
            await caller.system.GetHealth(system_service_pb2.GetHealthRequest(), timeout=5)
    assert rss() - before < RSS_GROWTH_MAX


async def test_calls_that_are_reset_at_once_leave_no_run_and_hold_up_nobody(abused: House) -> None:
    """GR11, CVE-2023-44487: each call may reach a handler before its reset, none may outlive it."""
    before, head = rss(), head_of(CHAT)
    async with hostile(abused.whole.address, OPENING) as client:
        began = time.perf_counter()
        for batch in range(0, 2000, 50):
            numbers = [2 * each + 1 for each in range(batch, batch + 50)]
            sent = b"".join(
                frame(HEADERS, END_HEADERS, each, head)
                + frame(DATA, 1, each, MESSAGE)
                + frame(RST_STREAM, 0, each, struct.pack(">I", 8))
                for each in numbers
            )
            try:
                async with asyncio.timeout(5):
                    if not await client.send(sent):
                        break
            except TimeoutError:
                break
        async with stubs(abused.whole.address) as caller:
            await caller.system.GetHealth(system_service_pb2.GetHealthRequest(), timeout=10)
        assert time.perf_counter() - began < 60
    await until(lambda: not abused.whole.engine.status().live_runs)
    await abused.provider.wait_for(lambda each: not each.busy_connections)
    assert rss() - before < RSS_GROWTH_MAX


async def test_a_reader_that_never_opens_its_window_holds_up_nobody(abused: House) -> None:
    """GR12: the window is zero from the first frame to the last; the run ends as its caller leaves."""
    closed_window = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    asking = frame(HEADERS, END_HEADERS, 1, head_of(CHAT)) + frame(DATA, 1, 1, MESSAGE)
    async with hostile(abused.whole.address, PREFACE + closed_window, asking):
        await abused.provider.wait_requests(1)
        await abused.still_good()


async def test_data_frames_of_nothing_are_no_message(abused: House) -> None:
    """GR12: ten thousand of them, and the call behind them is still one call."""
    async with hostile(abused.whole.address, OPENING) as client:
        await client.send(frame(HEADERS, END_HEADERS, 1, head_of(CHAT)))
        for _ in range(100):
            if not await client.send(frame(DATA, 0, 1) * 100):
                break
        await abused.still_good()
        assert len(abused.provider.requests) == 4  # the good ones: one on each face


async def test_callers_that_leave_again_and_again_leave_nothing(abused: House) -> None:
    """RX05, of runs that end with their callers."""
    gate = Gate()
    abused.provider.answer(chat_reply(TEXT, hold=gate, hold_at=2))
    try:
        async with stubs(abused.whole.address) as caller:
            for _ in range(100):
                call = caller.chat.Chat(pb.ChatRequest(text="go", model=MODEL, detach=0))
                assert (await call.read()).event.start.run_id
                call.cancel()
            await until(lambda: not abused.whole.engine.status().live_runs)
        await abused.provider.wait_for(lambda each: not each.busy_connections)
    finally:
        gate.open()
        abused.provider.answer(chat_reply(TEXT))


async def test_metadata_that_is_not_what_it_says_is_no_harm(abused: House) -> None:
    """GR07: a binary header that is not base64 comes from a client of its own making."""

    def value(name: str, text: str) -> bytes:
        return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(text)]) + text.encode()

    head = head_of(CHAT) + value("x-odd-bin", "!!! no base64 !!!") + value("grpc-timeout", "soon")
    async with hostile(abused.whole.address, OPENING) as client:
        await client.send(frame(HEADERS, END_HEADERS, 1, head), frame(DATA, 1, 1, MESSAGE))
        await abused.still_good()


async def test_a_call_of_an_unknown_service_is_told_nothing_of_the_known_ones(abused: House) -> None:
    """GR06."""
    async with stubs(abused.whole.address) as caller:
        call = caller.channel.unary_stream("/thinkaloud.v1.NoService/Nothing")(b"")
        _, error = await collect(call)
    assert error is not None
    status = refused(error)
    assert (status.code, status.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")
    check_told(str(status), status.reason)
