"""A service that the server has never heard of gets its WebSockets from annotations alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fakes.sockets import Sockets, client_of, socket_face
from fakes.toy import Toy, toy_server, toy_service
from thinkaloud_server.web.route import RouteTable, Socket, routes_of
from thinkaloud_server.web.template import Template


def talking(*, resumes: bool = True) -> RouteTable:
    """The toy's routes, and the socket it would have with a path that names no run."""
    table = routes_of([toy_service()])
    (named,) = table.sockets
    face = type(named.face)()
    face.CopyFrom(named.face)
    if not resumes:
        face.resume = ""
    return RouteTable(table.routes, [named, Socket(Template.of("/toy/talk"), named.method, face)])


@asynccontextmanager
async def served(table: RouteTable | None = None) -> AsyncIterator[tuple[Toy, Sockets]]:
    async with toy_server() as (toy, channel), socket_face(channel, table=table or talking()) as sockets:
        yield toy, sockets


async def test_a_path_with_a_variable_begins_at_once() -> None:
    async with served() as (toy, sockets), client_of(sockets.url("/toy/toy_7/socket?to=2")) as client:
        run = {"run_id": "toy_7"}
        assert await client.closed() == (
            [
                {"event": "ticked", "sequence": 1, **run, "data": {"number": 1, "run_id": "toy_7"}},
                {"event": "ticked", "sequence": 2, **run, "data": {"number": 2, "run_id": ""}},
                {"event": "heartbeat", "sequence": 0, **run, "data": {"last_sequence": 2}},
            ],
            1000,
            "",
        )
        assert toy.metadata["x-request-id"] == "req-1"


async def test_a_path_without_one_is_a_conversation() -> None:
    async with served() as (_, sockets), client_of(sockets.url("/toy/talk")) as client:
        (refused,) = await client.turn(type="count", fail="before", to=1)
        assert (refused["data"]["code"], refused["data"]["details"]["run"]) == ("SEQUENCE_AHEAD", "r")
        (unknown,) = await client.turn(type="count", text="hi")
        assert (unknown["data"]["code"], "run_id" in unknown) == ("UNKNOWN_FIELD", False)
        await client.say(type="resume", run_id="toy_9", after_sequence=3, to=5)
        heard = [await client.hear() for _ in range(3)]
        assert [(frame["event"], frame["sequence"], frame["run_id"]) for frame in heard] == [
            ("ticked", 4, "toy_9"),
            ("ticked", 5, "toy_9"),
            ("heartbeat", 0, "toy_9"),
        ]


async def test_what_the_option_does_not_name_is_not_taken() -> None:
    async with served(talking(resumes=False)) as (_, sockets), client_of(sockets.url("/toy/talk")) as client:
        for kind in ("stop", "resume"):
            (refused,) = await client.turn(type=kind, run_id="toy_1")
            assert refused["data"]["code"] == "MALFORMED_REQUEST"
            assert refused["data"]["message"] == 'type must be one of "count", "auth", "ping", or absent'


async def test_a_stream_that_fails_in_between_says_so_and_closes_as_the_table_says() -> None:
    async with served() as (_, sockets), client_of(sockets.url("/toy/talk")) as client:
        frames = await client.turn(to=3, fail="between")
        assert [frame["event"] for frame in frames] == ["ticked", "error"]
        assert "run_id" not in frames[1]
        assert frames[1]["data"]["details"]["retry_after_s"] == 1.0
        assert await client.closed() == ([], 1011, "STORAGE_UNAVAILABLE")


async def test_a_lost_connection_to_the_service_names_no_address() -> None:
    async with served() as (_, sockets), client_of(sockets.url("/toy/talk")) as client:
        frames = await client.turn(to=3, fail="cut")
        assert frames[-1]["data"]["message"] == "the server cannot be reached"
        assert frames[-1]["data"]["retryable"] is True
        assert (await client.closed())[1] == 1011


async def test_leaving_cancels_the_call() -> None:
    async with served() as (toy, sockets):
        async with client_of(sockets.url("/toy/talk")) as client:
            await client.say(to=3, fail="hang")
            await client.hear()
        async with asyncio.timeout(5):
            await toy.left.wait()
