"""A service that the server has never heard of gets every face of HTTP from its annotations alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from fakes.toy import Toy, toy_server, toy_service
from fakes.web import Frame, frames, http_server
from thinkaloud_server.web.app import WebSettings, web_app


@asynccontextmanager
async def served(settings: WebSettings | None = None) -> AsyncIterator[tuple[Toy, httpx.AsyncClient]]:
    async with (
        toy_server() as (toy, channel),
        http_server(web_app(channel, settings, [toy_service()])) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        yield toy, client


async def read(client: httpx.AsyncClient, path: str, **headers: str) -> list[Frame]:
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        return [frame async for frame in frames(response)]


async def test_a_unary_method_answers_to_each_of_its_bindings() -> None:
    async with served() as (_, client):
        got = await client.get("/toy/echo", params={"text": "a", "words": ["b", "c"], "nested.inner.word": "d"})
        assert (got.json()["text"], got.json()["words"]) == ("a", ["b", "c"])
        assert got.json()["nested"]["inner"]["word"] == "d"
        posted = await client.post("/toy/echo", json={"colours": ["COLOUR_RED"], "big": 2**40})
        assert posted.json()["everything"]["colours"] == ["COLOUR_RED"]
        assert posted.json()["everything"]["big"] == str(2**40)
        assert posted.json()["calls"] == 2
        nested = await client.post("/toy/nested/a%2Fb/deep/x/y?small=7", json={"numbers": [1]})
        assert nested.json()["text"] == "a/b"
        assert nested.json()["nested"] == {"word": "deep/x/y", "numbers": [1]}
        assert nested.json()["small"] == 7


async def test_a_verb_stands_behind_a_path_of_several_segments() -> None:
    async with served() as (_, client):
        answer = await client.post("/toy/shelves/1/books/2:rename", json="Faust")
        assert answer.json() == ["shelves/1/books/2", "Faust"]
        assert (await client.post("/toy/shelves/1/books/2", json="Faust")).status_code == 404


async def test_a_stream_is_an_event_stream_and_lines() -> None:
    async with served() as (_, client):
        got = await read(client, "/toy/count?to=2")
        assert [(frame.event, frame.id) for frame in got] == [
            ("ticked", "toy_1:1"),
            ("ticked", "toy_1:2"),
            ("heartbeat", ""),
        ]
        assert json.loads(got[1].data) == {"number": 2, "run_id": ""}
        assert (got[0].retry, got[1].retry) == ("1000", "")
        lines = await client.post("/toy/count", json={"to": 1}, headers={"accept": "application/x-ndjson"})
        assert [json.loads(line) for line in lines.text.splitlines()] == [
            {"event": "ticked", "sequence": 1, "run_id": "toy_1", "data": {"number": 1, "run_id": "toy_1"}},
            {"event": "heartbeat", "sequence": 0, "run_id": "toy_1", "data": {"last_sequence": 1}},
        ]


@pytest.mark.parametrize(
    ("wish", "events", "comments"),
    [("both", 1, 1), ("event", 1, 0), ("comment", 0, 1)],
)
async def test_a_heartbeat_is_a_comment_an_event_or_both(wish: str, events: int, comments: int) -> None:
    async with served() as (_, client):
        got = await read(client, f"/toy/count?to=1&heartbeat={wish}")
        assert sum(frame.event == "heartbeat" for frame in got) == events
        assert sum(len(frame.comments) for frame in got) == comments


async def test_a_wish_for_another_heartbeat_is_refused() -> None:
    async with served() as (_, client):
        answer = await client.get("/toy/count?to=1&heartbeat=loud")
        assert answer.status_code == 400
        assert answer.json()["error"]["details"]["field_violations"][0]["field"] == "heartbeat"


async def test_an_event_id_resumes_after_itself_and_after_the_end_there_is_nothing() -> None:
    async with served() as (_, client):
        got = await read(client, "/toy/count?to=3", **{"last-event-id": "toy_1:1"})
        assert [frame.id for frame in got if frame.id] == ["toy_1:2", "toy_1:3"]
        over = await client.get("/toy/count?to=3", headers={"last-event-id": "toy_1:3"})
        assert (over.status_code, over.content) == (204, b"")


@pytest.mark.parametrize("last", ["abc", "toy_1:-1", "toy_1:9223372036854775808", ":1", "toy_2:1"])
async def test_an_event_id_of_no_event_here_is_refused(last: str) -> None:
    async with served() as (_, client):
        answer = await client.get("/toy/count?to=3&run_id=toy_1", headers={"last-event-id": last})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "SEQUENCE_INVALID")


async def test_a_failure_before_the_first_event_is_a_plain_answer() -> None:
    async with served() as (_, client):
        answer = await client.get("/toy/count?to=3&fail=before")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["message"]) == (400, "SEQUENCE_AHEAD", "told: SEQUENCE_AHEAD")


async def test_a_failure_after_it_is_the_terminal_error() -> None:
    async with served() as (_, client):
        *_, last = await read(client, "/toy/count?to=3&fail=between")
        told = json.loads(last.data)
        assert (last.event, last.id) == ("error", "")
        assert (told["code"], told["retryable"], told["partial"]) == ("STORAGE_UNAVAILABLE", True, False)
        assert told["details"] == {"near": ["a"], "run": "r", "retry_after_s": 1.0}
        assert told["request_id"]


async def test_a_lost_connection_ends_the_stream_without_a_last_word() -> None:
    async with served() as (_, client):
        assert [frame.event for frame in await read(client, "/toy/count?to=3&fail=cut")] == ["ticked"]


async def test_statuses_without_and_with_details_are_one_envelope() -> None:
    async with served() as (_, client):
        plain = await client.get("/toy/echo?text=plain failure", headers={"x-request-id": "mine"})
        assert plain.status_code == 404
        assert plain.json() == {
            "error": {"code": "NOT_FOUND", "message": "no such thing", "details": {}, "request_id": "mine"}
        }
        rich = await client.get("/toy/echo?text=rich failure")
        assert (rich.status_code, rich.headers["retry-after"]) == (429, "2")
        assert rich.json()["error"]["details"]["retry_after_s"] == 1.5


@pytest.mark.parametrize("path", ["/toy/echo?text=hang", "/toy/count?to=2&fail=hang"])
async def test_a_caller_that_leaves_cancels_its_call(path: str) -> None:
    async with served() as (toy, client):
        asking = asyncio.create_task(client.get(path))
        async with asyncio.timeout(10):
            await toy.counting.wait()
            asking.cancel()
            await toy.left.wait()


async def test_a_reader_that_takes_nothing_is_let_go() -> None:
    async with served(WebSettings(stall_timeout_s=0.4)) as (toy, client):
        host, port = client.base_url.host, client.base_url.port
        _, writer = await asyncio.open_connection(host, port)
        # Events enough to fill every buffer between, and a reader that never reads.
        writer.write(f"GET /toy/count?to=100000000 HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        await writer.drain()
        async with asyncio.timeout(30):
            await toy.counted_out.wait()
        writer.close()


async def test_what_belongs_to_the_service_is_passed_on() -> None:
    async with served() as (toy, client):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        await client.get("/toy/echo", headers={"traceparent": trace, "x-correlation-id": "c1", "cookie": "x"})
        assert toy.metadata["traceparent"] == trace
        assert toy.metadata["x-request-id"] == "c1"
        assert "cookie" not in toy.metadata


@pytest.mark.parametrize("path", ["/toy/count?to=1&slowly=true", "/toy/count?to=1&slowly=true&fail=before"])
async def test_a_stream_asked_for_with_a_retired_field_says_so_whatever_comes_of_it(path: str) -> None:
    async with served() as (_, client):
        answer = await client.get(path)
        assert answer.headers["deprecation"] == "@1769904000"
        assert answer.headers["sunset"] == "Mon, 01 Feb 2027 00:00:00 GMT"
        assert answer.headers["link"] == '</toy/slowly>; rel="deprecation sunset"'
        assert "deprecation" not in (await client.get(path.replace("&slowly=true", ""))).headers


async def test_a_retired_method_says_so_and_a_retired_field_where_it_is_sent() -> None:
    async with served() as (_, client):
        renamed = await client.post("/toy/shelves/1/books/2:rename", json="Faust")
        assert (renamed.headers["deprecation"], "sunset" in renamed.headers) == ("@1772323200", False)
        loud = await client.post("/toy/echo", json={"nested": {"loud": True}})
        assert loud.headers["deprecation"] == "@1767225600"
        assert "deprecation" not in (await client.post("/toy/echo", json={"nested": {"word": "a"}})).headers


async def test_a_word_of_an_answer_has_its_status_and_changes_nothing_else() -> None:
    async with served() as (_, client):
        answer = await client.get("/toy/echo?text=unwell")
        assert (answer.status_code, answer.json()["text"]) == (503, "unwell")
        assert (await client.get("/toy/echo?text=well")).status_code == 200
