"""Who calls over HTTP: every route asks alike, and a credential is taken from one place only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from fakes.guarded import GUARDED, SCOPE, ask
from fakes.known import KnownOnes, bearer, somebody
from fakes.rpc import Served, serving
from fakes.web import http_server
from thinkaloud_server.web.app import web_app


@asynccontextmanager
async def guarded(known: KnownOnes) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    async with (
        serving(authenticator=known) as served,
        http_server(web_app(served.channel)) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        yield served, client


async def test_every_route_refuses_alike_who_brings_no_credential() -> None:
    async with guarded(KnownOnes("ann")) as (served, client):
        seen = set()
        for route in GUARDED:
            answer = await ask(client, route, **{"x-request-id": "r"})
            assert answer.headers["www-authenticate"] == "Bearer"
            seen.add((answer.status_code, answer.text))
        ((status, text),) = seen
        assert status == 401
        assert '"code":"AUTH_REQUIRED"' in text
        assert served.engine.turns == []


async def test_health_is_told_to_everybody() -> None:
    async with guarded(KnownOnes()) as (_, client):
        assert (await client.get("/api/v1/health")).status_code == 200


@pytest.mark.parametrize("name", ["api_key", "API_KEY", "access_token", "authorization"])
async def test_a_credential_in_the_address_is_refused(name: str) -> None:
    async with guarded(KnownOnes("ann")) as (_, client):
        answer = await client.get("/api/v1/models", params={name: "ann"}, headers=bearer("ann"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AUTH_REQUIRED")
        assert "ann" not in answer.text


async def test_two_credentials_are_none() -> None:
    async with guarded(KnownOnes("ann")) as (_, client):
        twice = [("authorization", "Bearer ann"), ("authorization", "Bearer eve")]
        for headers in (twice, twice[::-1]):
            answer = await client.get("/api/v1/models", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AUTH_INVALID")


async def test_who_may_only_read_may_not_chat() -> None:
    known = KnownOnes("ann")
    known.known["ann"] = somebody("ann", "read")
    async with guarded(known) as (served, client):
        assert (await client.get("/api/v1/models", headers=bearer("ann"))).status_code == 200
        for route in GUARDED:
            if route.method.GetOptions().Extensions[SCOPE] in ("chat", "admin"):
                answer = await ask(client, route, **bearer("ann"))
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SCOPE_DENIED"), route
        assert served.engine.turns == []


async def test_the_caller_is_told_who_it_is() -> None:
    async with guarded(KnownOnes("ann")) as (_, client):
        assert (await client.get("/api/v1/identity", headers=bearer("ann"))).json() == {
            "tenant": "ann's",
            "key_id": "ann",
            "scopes": ["admin", "chat", "read"],
            "models": [],
        }
