"""A provider behind HTTP, with the smallest dialect: what comes out of every kind of answer, good and bad."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import uvloop

from fakes.asking import SECRET, SystemClock
from fakes.line_dialect import LINE_BYTES_MAX, LineDialect, lines
from fakes.provider import (
    AFTER_HEAD,
    FakeProvider,
    Gate,
    Reply,
    Request,
    byte_by_byte,
    cut,
    json_reply,
    unused_port,
)
from thinkaloud_server.core.delta import Delta, EndOfStream, Failure, Finish, TextDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelInfo, ModelRequest, ReasoningControl
from thinkaloud_server.engine import http_provider
from thinkaloud_server.engine.http_provider import HttpProvider
from thinkaloud_server.engine.ports import AttemptTrace, Provider
from thinkaloud_server.engine.upstream import Timeouts, Upstream
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.vendors import Vendor

AT_ONCE_S = 0.05
REQUEST = ModelRequest("m", (Message("user", (TextPart("hi"),)),))
ANSWER = lines({"text": "Hello "}, {"text": "wörld"}, {"finish": "stop"}, {"end": True})
DELTAS: list[Delta] = [TextDelta("Hello "), TextDelta("wörld"), Finish("stop"), EndOfStream()]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    client = Upstream(clock=SystemClock())
    yield client
    await client.close()


def provider_at(base_url: str, upstream: Upstream, **timeouts: float) -> HttpProvider:
    endpoint = Endpoint("local", base_url, Vendor(name="any"), api_key=SECRET, starts_in_reasoning=("thinker",))
    return HttpProvider(endpoint=endpoint, dialect=LineDialect(), upstream=upstream, timeouts=Timeouts(**timeouts))


async def batches_of(
    provider: Provider, request: ModelRequest = REQUEST, trace: AttemptTrace | None = None
) -> list[Sequence[Delta]]:
    async with provider.stream(request, request_id="req-1", trace=trace or AttemptTrace()) as batches:
        return [batch async for batch in batches]


async def deltas_of(upstream: Upstream, reply: Reply, **timeouts: float) -> list[Delta]:
    """Of one request, which ends as every stream must: once, and last."""
    async with FakeProvider(reply) as fake:
        batches = await batches_of(provider_at(fake.base_url, upstream, **timeouts))
    assert all(batches), "no batch is empty"
    deltas = [delta for batch in batches for delta in batch]
    assert [isinstance(delta, EndOfStream | Failure) for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    return deltas


async def failure_of(upstream: Upstream, reply: Reply, **timeouts: float) -> Failure:
    (failure,) = await deltas_of(upstream, reply, **timeouts)
    assert isinstance(failure, Failure)
    return failure


class TestStream:
    @pytest.mark.parametrize(
        "pieces",
        [(ANSWER,), byte_by_byte(ANSWER), cut(ANSWER, [3, 20, 1, 7])],
        ids=["whole", "byte by byte", "in odd pieces"],
    )
    @pytest.mark.parametrize("framing", ["chunked", "length", "close"])
    async def test_is_the_same_however_it_is_cut(
        self, upstream: Upstream, pieces: tuple[bytes, ...], framing: str
    ) -> None:
        reply = Reply(pieces, framing=framing)  # type: ignore[arg-type]  # a table
        assert await deltas_of(upstream, reply) == DELTAS

    async def test_comes_in_batches_of_what_one_read_brought(self, upstream: Upstream) -> None:
        gate = Gate()
        pieces = cut(ANSWER, [len(lines({"text": "Hello "}))])
        async with FakeProvider(Reply(pieces, hold=gate, hold_at=1)) as fake:
            provider = provider_at(fake.base_url, upstream)
            async with provider.stream(REQUEST, request_id="r", trace=AttemptTrace()) as batches:
                assert await anext(batches) == [TextDelta("Hello ")]
                gate.open()
                assert await anext(batches) == DELTAS[1:]

    async def test_keeps_comments_to_itself(self, upstream: Upstream) -> None:
        assert await deltas_of(upstream, Reply((b"# wait\n", b"# wait\n", ANSWER))) == DELTAS

    async def test_sends_the_request_of_the_dialect_with_the_request_id(self, upstream: Upstream) -> None:
        trace = AttemptTrace()
        async with FakeProvider(Reply((ANSWER,))) as fake:
            await batches_of(provider_at(fake.base_url, upstream), trace=trace)
        (request,) = fake.requests
        assert request.json == {"model": "m", "reasoning": False}
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.headers["x-request-id"] == "req-1"
        assert (trace.sent, trace.status) == (True, 200)

    async def test_of_a_request_that_the_dialect_cannot_carry_is_refused_on_entering(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((ANSWER,))) as fake:
            with pytest.raises(ChatError) as caught:
                await batches_of(provider_at(fake.base_url, upstream), ModelRequest("m", ()))
        assert caught.value.reason == ErrorReason.VALIDATION_FAILED
        assert fake.connections == []

    async def test_that_ended_well_leaves_its_connection_for_the_next(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((ANSWER,))) as fake:
            provider = provider_at(fake.base_url, upstream)
            await batches_of(provider)
            await fake.wait_for(lambda fake: fake.busy_connections == 0)
            await asyncio.sleep(0.02)  # the end crosses the loopback
            await batches_of(provider)
            assert len(fake.connections) == 1

    async def test_may_come_with_an_odd_content_type(self, upstream: Upstream) -> None:
        for content_type in ("", "text/plain", "application/json", "application/octet-stream", "application/x-ndjson"):
            assert await deltas_of(upstream, Reply((ANSWER,), content_type=content_type)) == DELTAS


class TestAnswersThatAreNoStream:
    async def test_with_an_error_status_are_what_the_dialect_says(self, upstream: Upstream) -> None:
        reply = Reply((b"wrong key",), status=401, framing="length", headers=(("Retry-After", "7"),))
        expected = Failure(ErrorReason.UPSTREAM_AUTH, "wrong key", status=401, retry_after_s=7.0)
        assert await failure_of(upstream, reply) == expected

    @pytest.mark.parametrize("sent", [True, False])
    async def test_say_whether_reasoning_was_sent(self, upstream: Upstream, sent: bool) -> None:
        request = replace(REQUEST, reasoning=ReasoningControl("high") if sent else None)
        async with FakeProvider(Reply((b"no reasoning here",), status=400)) as fake:
            ((failure,),) = await batches_of(provider_at(fake.base_url, upstream), request)
        assert isinstance(failure, Failure)
        assert failure.reasoning_refused is sent

    @pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/xml", "Text/HTML"])
    async def test_with_a_good_status_are_too(self, upstream: Upstream, content_type: str) -> None:
        failure = await failure_of(upstream, Reply((b"<html>",), content_type=content_type))
        assert (failure.reason, failure.status) == (ErrorReason.UPSTREAM_PROTOCOL_ERROR, 200)
        assert failure.message == "<html>"

    @pytest.mark.parametrize("status", [302, 307])
    async def test_because_they_redirect_are_failures_that_name_no_place(self, upstream: Upstream, status: int) -> None:
        reply = Reply(status=status, headers=(("location", "http://secret.example/"),), framing="length")
        failure = await failure_of(upstream, reply)
        assert (failure.reason, failure.status) == (ErrorReason.UPSTREAM_PROTOCOL_ERROR, status)
        assert "secret.example" not in failure.message

    async def test_because_they_are_compressed_are_failures(self, upstream: Upstream) -> None:
        headers = (("content-encoding", "gzip"),)
        failure = await failure_of(upstream, Reply((b"\x1f\x8b\x08",), headers=headers))
        assert failure.reason == ErrorReason.UPSTREAM_PROTOCOL_ERROR
        failure = await failure_of(upstream, Reply((b"\x1f\x8b\x08",), status=401, headers=headers))
        assert failure == Failure(ErrorReason.UPSTREAM_AUTH, "", status=401)

    async def test_are_read_to_a_bound(self, upstream: Upstream) -> None:
        reply = Reply((b"x" * 60_000,) * 3, status=500, ending="hang")
        failure = await failure_of(upstream, reply)
        assert failure.message == "x" * http_provider.ERROR_BYTES_MAX

    async def test_are_read_for_a_bounded_time(self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_provider, "ERROR_WITHIN_S", 0.1)
        failure = await failure_of(upstream, Reply((b"half of it",), status=500, ending="hang"))
        assert (failure.message, failure.status) == ("half of it", 500)


class TestStreamsThatEndBadly:
    HELLO = lines({"text": "Hello"})

    @pytest.mark.parametrize("ending", ["end", "cut", "reset", "half_close"])
    async def test_before_the_provider_was_done_are_truncated(self, upstream: Upstream, ending: str) -> None:
        reply = Reply((self.HELLO,), ending=ending)  # type: ignore[arg-type]  # a table
        text, failure = await deltas_of(upstream, reply)
        assert text == TextDelta("Hello")
        assert isinstance(failure, Failure)
        assert failure.reason == ErrorReason.UPSTREAM_TRUNCATED

    @pytest.mark.parametrize("ending", ["end", "cut", "reset", "half_close"])
    async def test_after_it_was_done_are_complete(self, upstream: Upstream, ending: str) -> None:
        reply = Reply((self.HELLO, lines({"finish": "stop"})), ending=ending)  # type: ignore[arg-type]  # a table
        assert await deltas_of(upstream, reply) == [TextDelta("Hello"), Finish("stop"), EndOfStream()]

    async def test_by_never_ending_are_complete_once_the_provider_was_done(
        self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_provider, "SILENCE_AFTER_FINISH_S", 0.1)
        reply = Reply((self.HELLO, lines({"finish": "stop"})), ending="hang")
        assert await deltas_of(upstream, reply) == [TextDelta("Hello"), Finish("stop"), EndOfStream()]

    async def test_by_silence_before_that_are_timeouts(self, upstream: Upstream) -> None:
        text, failure = await deltas_of(upstream, Reply((self.HELLO,), ending="hang"), silence_s=0.1)
        assert text == TextDelta("Hello")
        assert isinstance(failure, Failure)
        assert failure.reason == ErrorReason.UPSTREAM_TIMEOUT

    async def test_with_an_error_in_the_stream_end_there(self, upstream: Upstream) -> None:
        reply = Reply((lines({"text": "Hello"}, {"error": "overloaded"}),), ending="hang")
        failure = Failure(ErrorReason.UPSTREAM_ERROR, "overloaded")
        assert await deltas_of(upstream, reply) == [TextDelta("Hello"), failure]

    async def test_with_what_the_decoder_refuses_are_failures(self, upstream: Upstream) -> None:
        reply = Reply((self.HELLO, b"x" * (LINE_BYTES_MAX + 1)), ending="hang")
        failure = Failure(ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the line is too long")
        assert (await deltas_of(upstream, reply))[-1] == failure

    @pytest.mark.parametrize("status", [200, 204])
    async def test_with_nothing_at_all_are_truncated(self, upstream: Upstream, status: int) -> None:
        failure = await failure_of(upstream, Reply(status=status, framing="length", content_type=""))
        assert failure.reason == ErrorReason.UPSTREAM_TRUNCATED

    async def test_close_the_connection(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((lines({"error": "no"}),), ending="hang")) as fake:
            await batches_of(provider_at(fake.base_url, upstream))
            await fake.wait_for(lambda fake: fake.open_connections == 0)


class TestNoAnswer:
    async def test_of_a_refused_connection_is_a_failure(self, upstream: Upstream) -> None:
        trace = AttemptTrace()
        provider = provider_at(f"http://127.0.0.1:{unused_port()}/v1", upstream)
        ((failure,),) = await batches_of(provider, trace=trace)
        assert isinstance(failure, Failure)
        assert failure.unprocessed
        assert not trace.sent

    async def test_within_the_first_byte_timeout_is_a_failure(self, upstream: Upstream) -> None:
        failure = await failure_of(upstream, Reply(hold=Gate()), first_byte_s=0.1)
        assert (failure.reason, failure.unprocessed) == (ErrorReason.UPSTREAM_TIMEOUT, False)

    async def test_that_is_http_is_a_failure(self, upstream: Upstream) -> None:
        failure = await failure_of(upstream, Reply(raw=b"garbage\r\n\r\n"))
        assert failure.reason == ErrorReason.UPSTREAM_PROTOCOL_ERROR

    async def test_does_not_trouble_the_next_request(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply(raw=b"", ending="reset"), Reply((ANSWER,))) as fake:
            provider = provider_at(fake.base_url, upstream)
            await batches_of(provider)
            assert [delta for batch in await batches_of(provider) for delta in batch] == DELTAS


class TestLeaving:
    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    @pytest.mark.parametrize("hold_at", [-1, AFTER_HEAD, 1], ids=["before the head", "after it", "mid-stream"])
    def test_by_cancellation_closes_the_connection_at_once(self, loop: str, hold_at: int) -> None:
        run = uvloop.run if loop == "uvloop" else asyncio.run
        run(self.leave(hold_at))

    async def leave(self, hold_at: int) -> None:
        gate = Gate()
        upstream = Upstream(clock=SystemClock())
        reply = Reply((lines({"text": "Hello"}), ANSWER), hold=gate, hold_at=hold_at)
        async with FakeProvider(reply) as fake:
            task = asyncio.create_task(batches_of(provider_at(fake.base_url, upstream)))
            await gate.reached.wait()
            began = time.monotonic()
            task.cancel()
            await asyncio.wait([task])
            await asyncio.wait_for(fake.connections[0].left.wait(), 1)
            assert (fake.connections[0].left_at or 0) - began < AT_ONCE_S
            assert task.cancelled()
        await upstream.close()

    async def test_by_leaving_the_context_closes_the_connection_at_once(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((lines({"text": "Hello"}),), ending="hang")) as fake:
            provider = provider_at(fake.base_url, upstream)
            async with provider.stream(REQUEST, request_id="r", trace=AttemptTrace()) as batches:
                assert await anext(batches) == [TextDelta("Hello")]
                began = time.monotonic()
            await asyncio.wait_for(fake.connections[0].left.wait(), 1)
            assert (fake.connections[0].left_at or 0) - began < AT_ONCE_S

    async def test_without_reading_a_batch_is_fine(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((ANSWER,), ending="hang")) as fake:
            provider = provider_at(fake.base_url, upstream)
            async with provider.stream(REQUEST, request_id="r", trace=AttemptTrace()):
                pass
            await fake.wait_for(lambda fake: fake.open_connections == 0)

    async def test_by_an_error_of_the_readers_own_passes_it_on(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((lines({"text": "Hello"}),), ending="hang")) as fake:
            provider = provider_at(fake.base_url, upstream)

            async def read_and_fail() -> None:
                async with provider.stream(REQUEST, request_id="r", trace=AttemptTrace()) as batches:
                    await anext(batches)
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await read_and_fail()
            await fake.wait_for(lambda fake: fake.open_connections == 0)


class TestModels:
    async def test_are_the_providers_listing(self, upstream: Upstream) -> None:
        reply = json_reply({"data": [{"id": "m1"}, {"id": "m2"}]})
        async with FakeProvider(reply) as fake:
            models = await provider_at(fake.base_url, upstream).models()
        assert models == [ModelInfo("m1", "local"), ModelInfo("m2", "local")]
        assert (fake.requests[0].method, fake.requests[0].path) == ("GET", "/v1/models")

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (Reply((b"wrong key",), status=401), ErrorReason.UPSTREAM_AUTH),
            (Reply((b"<html>",), content_type="text/html"), ErrorReason.UPSTREAM_PROTOCOL_ERROR),
            (Reply((b'{"data": [{"id"',), ending="cut"), ErrorReason.UPSTREAM_TRUNCATED),
            (Reply((b'{"data": [{"id"',), ending="hang"), ErrorReason.UPSTREAM_TIMEOUT),
            (Reply(hold=Gate()), ErrorReason.UPSTREAM_TIMEOUT),
            (Reply((json.dumps("x" * 3000).encode(),)), ErrorReason.UPSTREAM_PROTOCOL_ERROR),
            (Reply(status=307, framing="length"), ErrorReason.UPSTREAM_PROTOCOL_ERROR),
            (Reply(raw=b"", ending="reset"), ErrorReason.UPSTREAM_ERROR),
        ],
        ids=["401", "html", "cut", "half", "silence", "too long", "redirect", "reset"],
    )
    async def test_that_cannot_be_had_are_an_error(
        self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, reply: Reply, reason: ErrorReason
    ) -> None:
        monkeypatch.setattr(http_provider, "LISTING_WITHIN_S", 0.15)
        monkeypatch.setattr(http_provider, "LISTING_BYTES_MAX", 2000)
        # A gate of the table was made once for all tests; a fresh one belongs to this test's loop.
        async with FakeProvider(replace(reply, hold=Gate() if reply.hold else None)) as fake:
            with pytest.raises(ChatError) as caught:
                await provider_at(fake.base_url, upstream).models()
        assert caught.value.reason == reason

    async def test_get_their_details_and_what_is_known_of_them(self, upstream: Upstream) -> None:
        def answer(request: Request) -> Reply:
            if request.path == "/v1/models":
                return json_reply({"data": [{"id": "gpt-5"}, {"id": "gpt-5-nano"}, {"id": "broken"}]})
            return json_reply({}, status=500) if request.json["model"] == "broken" else json_reply({"context": 77})

        async with FakeProvider(script=answer) as fake:
            endpoint = Endpoint("local", fake.base_url, Vendor(name="openai"))
            provider = HttpProvider(endpoint=endpoint, dialect=Detailing(), upstream=upstream)
            models = await provider.models()
        assert [(model.name, model.context_length, model.max_output_tokens) for model in models] == [
            ("gpt-5", 77, 128_000),
            ("gpt-5-nano", 77, 128_000),
            ("broken", 0, 0),
        ]
        assert [request.method for request in fake.requests] == ["GET", "POST", "POST", "POST"]


class Detailing(LineDialect):
    """Asks for each model's context by itself, as Ollama's own listing needs it."""

    def detail(self, endpoint: Endpoint, model: ModelInfo) -> HttpRequest | None:
        return HttpRequest("POST", f"{endpoint.base_url}/show", (), json.dumps({"model": model.name}).encode())

    def detailed(self, endpoint: Endpoint, model: ModelInfo, body: bytes) -> ModelInfo:
        return replace(model, context_length=json.loads(body)["context"])


class TestDescription:
    async def test_says_whether_its_listing_tells_how_models_are_told_to_think(self, upstream: Upstream) -> None:
        def provider(vendor: Vendor) -> HttpProvider:
            return HttpProvider(endpoint=Endpoint("p", "http://h", vendor), dialect=LineDialect(), upstream=upstream)

        assert provider(Vendor("any", lists_reasoning=True)).tells_reasoning
        assert not provider(Vendor("any")).tells_reasoning

    async def test_knows_of_models_without_asking(self, upstream: Upstream) -> None:
        provider = HttpProvider(
            endpoint=Endpoint("p", "http://h", Vendor("openai")), dialect=LineDialect(), upstream=upstream
        )
        assert (provider.known("o3").id, provider.known("o3").context_length) == ("p/o3", 200_000)
        assert provider.known("x") == ModelInfo("x", "p")

    async def test_names_the_provider_its_dialect_and_its_place_without_credentials(self, upstream: Upstream) -> None:
        provider = provider_at(f"https://user:{SECRET}@api.example:8443/v1?key={SECRET}", upstream)
        assert (provider.name, provider.dialect, provider.lists_all) == ("local", "lines", False)
        assert provider.base_url == "https://api.example:8443/v1"

    async def test_holds_no_key(self, upstream: Upstream) -> None:
        assert SECRET not in repr(provider_at("http://h/v1", upstream))
        assert SECRET not in str(vars(provider_at("http://h/v1", upstream)))

    async def test_knows_models_whose_template_opens_the_think_tag(self, upstream: Upstream) -> None:
        provider = provider_at("http://h/v1", upstream)
        assert (provider.think_tags("thinker"), provider.think_tags("m")) == ("inside", "auto")
