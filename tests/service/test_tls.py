"""The whole server with a certificate: every face over TLS, who is let in, renewal, and what is no TLS at all."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from fakes.certified import Certified, Pair
from fakes.chat_wire import chat_reply
from fakes.http2 import hostile
from fakes.provider import FakeProvider, Gate
from fakes.rpc import until
from fakes.sockets import CHAT, client_of, names
from fakes.stubs import stubs
from fakes.whole import Whole, whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.app import renewal

ASK: dict[str, Any] = {"text": "go", "model": "local/m"}
TEXT = "it is 391"
MID_STREAM = 3


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "LOOK_S", 0.02)


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path)


class House:
    """A server, the provider behind it, and callers of each face."""

    def __init__(self, whole: Whole, provider: FakeProvider, certified: Certified) -> None:
        self.whole, self.provider, self.certified = whole, provider, certified
        self.https = f"https://{whole.http}"
        self.wss = f"wss://{whole.http}{CHAT}"

    async def grpc(self, credentials: grpc.ChannelCredentials) -> str:
        async with stubs(self.whole.address, credentials=credentials) as caller:
            request = pb.SendMessageRequest(request=pb.ChatRequest(**ASK))
            response: str = (await caller.chat.SendMessage(request, timeout=10)).complete.response
            return response

    async def rest(self, context: ssl.SSLContext) -> str:
        async with httpx.AsyncClient(verify=context, timeout=10) as client:
            answer = await client.post(f"{self.https}/api/v1/chat/message", json=ASK)
            return str(answer.json()["response"])

    async def sse(self, context: ssl.SSLContext) -> str:
        async with httpx.AsyncClient(verify=context, timeout=10) as client:
            return (await client.post(f"{self.https}/api/v1/chat/stream-sse", json=ASK)).text

    async def socket(self, context: ssl.SSLContext) -> list[str]:
        async with client_of(self.wss, ssl=context) as client:
            return names(await client.turn(**ASK))

    async def still_good(self, own: Pair | None = None) -> None:
        """A turn on every face."""
        assert await self.grpc(self.certified.credentials(own)) == TEXT
        context = self.certified.trusting(own)
        assert await self.rest(context) == TEXT
        assert "event: complete\n" in await self.sse(context)
        assert (await self.socket(context))[-1] == "complete"

    async def shown(self, address: str, alpn: str) -> bytes:
        """The certificate that a new caller is shown there."""
        context = self.certified.trusting()
        context.set_alpn_protocols([alpn])
        host, _, port = address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.transport.abort()
        assert found.selected_alpn_protocol() == alpn
        whole = found.getpeercert(binary_form=True)
        assert whole is not None
        return whole


@asynccontextmanager
async def housed(certified: Certified, *, mutual: bool = False) -> AsyncIterator[House]:
    before = asyncio.all_tasks()
    async with FakeProvider(script=lambda _: chat_reply(TEXT)) as provider:
        section = {"base_url": provider.base_url, "models": ["m"]}
        tls = certified.section(mutual=mutual)
        async with whole_server(certified.folder / "data", {"local": section}, tls=tls) as whole:
            yield House(whole, provider, certified)
        await provider.wait_for(lambda each: not each.open_connections)
    async with asyncio.timeout(5):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=0.05)


async def test_every_face_is_spoken_over_tls(certified: Certified) -> None:
    async with housed(certified) as house:
        await house.still_good()
        assert await house.shown(house.whole.http, "http/1.1") == await house.shown(house.whole.address, "h2")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on PATH")
async def test_curl_trusts_whom_it_is_told_to(certified: Certified) -> None:
    async with housed(certified) as house:
        for flags, code in ((("--cacert", str(certified.ca_file)), 0), ((), 60)):
            url = f"{house.https}/api/v1/health"
            curl = await asyncio.create_subprocess_exec("curl", "-sS", *flags, url, stdout=-1, stderr=-1)
            said, _ = await curl.communicate()
            assert curl.returncode == code
            assert (b'"healthy"' in said) == (code == 0)


async def test_what_is_older_than_tls_1_2_is_refused(certified: Certified) -> None:
    async with housed(certified) as house:
        for address in (house.whole.address, house.whole.http):
            context = certified.trusting()
            with pytest.warns(DeprecationWarning, match="TLSv1"):
                context.minimum_version = ssl.TLSVersion.TLSv1
            with pytest.warns(DeprecationWarning, match="TLSv1"):
                context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
            host, _, port = address.rpartition(":")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection(host, int(port), ssl=context)


async def test_a_server_of_another_authority_is_not_trusted_by_any_client(
    certified: Certified, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Certified(tmp_path_factory.mktemp("stranger"))
    async with housed(certified) as house:
        with pytest.raises(grpc.aio.AioRpcError, match="CERTIFICATE_VERIFY_FAILED"):
            await house.grpc(stranger.credentials())
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await house.rest(stranger.trusting())
        with pytest.raises(ssl.SSLCertVerificationError):
            await house.socket(stranger.trusting())
        await house.still_good()


async def test_a_server_that_asks_for_certificates_lets_in_only_who_shows_a_good_one(
    certified: Certified, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Certified(tmp_path_factory.mktemp("stranger"))
    good = certified.pair("good", "ada@here.example")
    async with housed(certified, mutual=True) as house:
        await house.still_good(good)
        for bad in (None, stranger.pair("bad", "eve@there.example")):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await house.grpc(certified.credentials(bad))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            # TLS 1.3 is done for a client before the server has looked at what it showed.
            refused = (httpx.TransportError, OSError, InvalidMessage)
            for face in (house.rest, house.sse, house.socket):
                with pytest.raises(refused):
                    await face(certified.trusting(bad))
        assert len(house.provider.requests) == 4, "nothing was asked for those who were not let in"
        await house.still_good(good)


# Renewal.


async def renewed(house: House, before: bytes) -> None:
    """Both ports show another certificate than that."""
    for address, alpn in ((house.whole.address, "h2"), (house.whole.http, "http/1.1")):
        async with asyncio.timeout(10):
            while await house.shown(address, alpn) == before:  # noqa: ASYNC110 - it is told by no event
                await asyncio.sleep(0.02)


async def test_a_new_certificate_is_shown_to_who_comes_and_streams_go_on(
    certified: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    async with housed(certified) as house:
        before = await house.shown(house.whole.http, "http/1.1")
        house.provider.answer(chat_reply(TEXT, hold=gate, hold_at=MID_STREAM))
        asking = [
            asyncio.ensure_future(house.grpc(certified.credentials())),
            asyncio.ensure_future(house.sse(certified.trusting())),
            asyncio.ensure_future(house.socket(certified.trusting())),
        ]
        await until(lambda: house.whole.engine.status().live_runs == 3)
        with caplog.at_level(logging.INFO):
            certified.pair("server")
            await renewed(house, before)
            assert [each.getMessage() for each in caplog.records].count("certificate_renewed") >= 1
        assert house.whole.engine.status().live_runs == 3
        gate.open()
        answer, events, frames = await asyncio.gather(*asking)
        assert answer == TEXT
        assert "event: complete\n" in events
        assert frames[-1] == "complete"
        house.provider.answer(chat_reply(TEXT))
        await house.still_good()


async def test_a_bad_new_file_keeps_the_old_certificate_and_is_told_once(
    certified: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    async with housed(certified) as house:
        before = await house.shown(house.whole.http, "http/1.1")
        certified.server.certificate.write_text("nothing of use")

        def told() -> list[Any]:
            return [vars(each) for each in caplog.records if each.getMessage() == "certificate_not_renewed"]

        await until(lambda: bool(told()))
        await house.still_good()
        assert await house.shown(house.whole.address, "h2") == before
        (record,) = told()
        assert record["problem"] == (
            f"tls.certificate_file: {certified.server.certificate}: holds no certificate in PEM form"
        )
        certified.pair("server")
        await renewed(house, before)
        await house.still_good()


async def test_whom_callers_must_be_signed_by_is_renewed_as_well(
    certified: Certified, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Certified(tmp_path_factory.mktemp("other"))
    old, new = certified.pair("old", "ada@here.example"), other.pair("new", "ada@here.example")
    async with housed(certified, mutual=True) as house:
        await house.still_good(old)
        original, trusted = certified.ca_file.read_bytes(), certified.folder / "trusted.pem"
        trusted.write_bytes(original)
        # What the server trusts is now the other authority; callers go on to trust this one.
        certified.ca_file.write_bytes(other.ca_file.read_bytes())
        certified.ca_file = trusted

        async def is_in(own: Pair) -> bool:
            try:
                return await house.rest(certified.trusting(own)) == TEXT
            except (httpx.TransportError, OSError):
                return False

        async with asyncio.timeout(10):
            while not await is_in(new):  # noqa: ASYNC110 - it is told by no event
                await asyncio.sleep(0.02)
        await house.still_good(new)
        assert not await is_in(old)
        with pytest.raises(grpc.aio.AioRpcError):
            await house.grpc(certified.credentials(old))


# What is no TLS, and TLS where there is none.


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        bytes(range(256)) * 8,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 509,
    ],
    ids=["HTTP 1.1", "HTTP 2", "any bytes", "a hello that is none"],
)
async def test_what_is_no_tls_is_closed_and_harms_nobody(
    sent: bytes, certified: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    async with housed(certified) as house:
        for address in (house.whole.address, house.whole.http):
            async with hostile(address, sent) as client:
                assert b"HTTP/1.1" not in await client.gone(within_s=5)
        await house.still_good()
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_tls_to_a_port_without_is_told_and_harms_nobody(certified: Certified) -> None:
    async with whole_server(certified.folder / "data") as whole:
        for address in (whole.address, whole.http):
            host, _, port = address.rpartition(":")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection(host, int(port), ssl=certified.trusting())
        async with stubs(whole.address) as caller:
            answer = await caller.chat.SendMessage(pb.SendMessageRequest(request=pb.ChatRequest(text="What is 1+1?")))
            assert answer.complete.response
        async with httpx.AsyncClient(base_url=f"http://{whole.http}") as client:
            assert (await client.get("/api/v1/health")).status_code == 200


# Callers that leave.


async def grpc_caller(house: House) -> Callable[[], None]:
    context = stubs(house.whole.address, credentials=house.certified.credentials())
    caller = await context.__aenter__()
    call = caller.chat.Chat(pb.ChatRequest(**ASK, detach=0))
    await call.read()
    return lambda: (call.cancel(), asyncio.ensure_future(context.__aexit__(None, None, None)))[0]


async def sse_caller(house: House) -> Callable[[], None]:
    host, _, port = house.whole.http.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=house.certified.trusting())
    body = b'{"text":"go","model":"local/m","detach":0}'
    head = "POST /api/v1/chat/stream-sse HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await reader.readuntil(b"event: start")
    return writer.close


async def socket_caller(house: House) -> Callable[[], None]:
    context = client_of(house.wss, ssl=house.certified.trusting())
    client = await context.__aenter__()
    await client.say(**ASK, detach=0)
    await client.hear()
    return client.socket.transport.abort


@pytest.mark.parametrize("caller", [grpc_caller, sse_caller, socket_caller])
async def test_the_providers_connection_closes_when_its_caller_leaves(
    caller: Callable[[House], Any], certified: Certified
) -> None:
    gate = Gate()
    async with housed(certified) as house:
        house.provider.answer(chat_reply(TEXT, hold=gate, hold_at=MID_STREAM))
        leave = await caller(house)
        await gate.reached.wait()
        connection = house.provider.requests[-1].connection
        leave()
        async with asyncio.timeout(1):
            await connection.left.wait()
        await until(lambda: not house.whole.engine.status().live_runs)
        house.provider.answer(chat_reply(TEXT))
        await house.still_good()


async def test_a_page_that_came_unencrypted_may_begin_nothing(certified: Certified) -> None:
    async with housed(certified) as house, httpx.AsyncClient(verify=certified.trusting()) as client:
        for scheme, status in (("https", 200), ("http", 403)):
            headers = {"origin": f"{scheme}://{house.whole.http}"}
            answer = await client.post(f"{house.https}/api/v1/chat/message", json=ASK, headers=headers)
            assert answer.status_code == status
        async with client_of(house.wss, ssl=certified.trusting(), origin=f"https://{house.whole.http}") as socket_:
            assert names(await socket_.turn(**ASK))[-1] == "complete"
        with pytest.raises(InvalidStatus, match="403"):
            async with client_of(house.wss, ssl=certified.trusting(), origin=f"http://{house.whole.http}"):
                pass


def test_a_free_port_is_left_free(certified: Certified) -> None:
    """The listening socket is shared by those who take from it in turn; each is closed in the end."""

    async def serve() -> str:
        async with housed(certified) as house:
            return house.whole.http

    host, _, port = asyncio.run(serve()).rpartition(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
