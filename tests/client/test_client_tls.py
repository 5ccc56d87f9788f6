"""The client over TLS: it trusts whom it is told to, shows who it is, resumes as ever, and says what cannot be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from fakes.certified import Certified, Pair
from fakes.chat_server import ChatServer
from thinkaloud import Client, Complete, SyncClient, Token
from thinkaloud.errors import ConnectionLostError, TlsError


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path)


@asynccontextmanager
async def serving(certified: Certified, pair: Pair | None = None, *, mutual: bool = False) -> AsyncIterator[ChatServer]:
    shown = pair or certified.server
    credentials = grpc.ssl_server_credentials(
        [(shown.key.read_bytes(), shown.certificate.read_bytes())],
        certified.ca_file.read_bytes() if mutual else None,
        mutual,
    )
    async with ChatServer(credentials=credentials) as server:
        yield server


async def test_a_stream_over_tls_is_resumed_when_the_server_comes_back(certified: Certified) -> None:
    async with (
        serving(certified) as server,
        Client(f"https://{server.address}", ca_file=certified.ca_file, api_key="secret") as client,
    ):
        text = ""
        async with client.stream("hi") as stream:
            async for event in stream:
                match event:
                    case Token():
                        if not text:
                            await server.shut()
                            await server.listen(int(server.address.rpartition(":")[2]))
                        text += event.token
                    case Complete():
                        assert event.response == text
        assert text == "It is 391."
        assert server.metadata[-1]["authorization"] == "Bearer secret"


async def test_it_shows_its_certificate_where_it_is_asked_for(certified: Certified) -> None:
    own = certified.pair("ada", "ada@here.example")
    async with serving(certified, mutual=True) as server:
        address = f"grpcs://{server.address}"
        given: dict[str, Any] = {"ca_file": certified.ca_file, "client_key": own.key}
        async with Client(address, client_certificate=own.certificate, **given) as client:
            assert (await client.chat("hi")).response == "It is 391."

        def sync() -> str:
            with SyncClient(address, client_certificate=own.certificate, **given) as client:
                return client.chat("hi").response

        assert await asyncio.to_thread(sync) == "It is 391."
        async with Client(address, ca_file=certified.ca_file, start_timeout_s=0.5) as client:
            with pytest.raises(ConnectionLostError, match="a client certificate"):
                await client.chat("hi")


@pytest.mark.parametrize("problem", ["is not trusted", "another name", "no TLS is spoken"])
async def test_a_handshake_that_cannot_be_is_said_at_once(
    problem: str, certified: Certified, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Certified(tmp_path_factory.mktemp("stranger"))
    elsewhere = certified.pair("elsewhere", "elsewhere.example")
    trusted = stranger if problem == "is not trusted" else certified
    async with serving(certified, elsewhere if problem == "another name" else None) as server:
        if problem == "no TLS is spoken":
            await server.shut()
            server.credentials = None
            await server.listen(0)
        async with Client(f"https://{server.address}", ca_file=trusted.ca_file) as client:
            began = time.monotonic()
            with pytest.raises(TlsError, match=problem):
                await client.chat("hi")
            assert time.monotonic() - began < 3, "trying again would not help"
