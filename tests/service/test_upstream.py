"""The HTTP client against a real provider: what it sends, how it keeps connections, what it notes, and what it
makes of a provider that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fakes.asking import SECRET, SystemClock, ask, failure_of, full_listener, post
from fakes.provider import FakeProvider, Gate, Reply, unused_port
from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.engine.ports import AttemptTrace
from thinkaloud_server.engine.upstream import Upstream
from thinkaloud_server.providers.dialect import HttpRequest


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    client = Upstream(clock=SystemClock())
    yield client
    await client.close()


class TestRequest:
    async def test_arrives_as_it_was_built(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((b"ok",))) as provider:
            assert await ask(upstream, post(f"{provider.base_url}/chat?a=1", b'{"x": 1}', extra="e")) == b"ok"
        (request,) = provider.requests
        assert (request.method, request.path, request.json) == ("POST", "/v1/chat?a=1", {"x": 1})
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.headers["extra"] == "e"
        assert request.headers["x-request-id"] == "req-1"
        assert request.headers["accept-encoding"] == "identity"

    async def test_carries_no_cookie_of_an_earlier_answer(self, upstream: Upstream) -> None:
        reply = Reply((b"ok",), headers=(("set-cookie", "session=someone; Path=/"),))
        async with FakeProvider(reply) as provider:
            await ask(upstream, provider.base_url)
            await ask(upstream, provider.base_url)
        assert "cookie" not in provider.requests[1].headers

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_does_not_follow_a_redirect(self, upstream: Upstream, status: int) -> None:
        async with FakeProvider(Reply((b"ok",))) as elsewhere:
            reply = Reply(status=status, headers=(("location", elsewhere.base_url),), framing="length")
            async with FakeProvider(reply) as provider:
                trace = AttemptTrace()
                assert await ask(upstream, provider.base_url, trace=trace) == b""
        assert trace.status == status
        assert elsewhere.connections == []

    async def test_ignores_proxies_of_the_environment(
        self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
        async with FakeProvider(Reply((b"ok",))) as provider:
            assert await ask(upstream, provider.base_url) == b"ok"

    async def test_goes_through_a_configured_proxy(self) -> None:
        async with FakeProvider(Reply((b"by proxy",))) as proxy:
            upstream = Upstream(clock=SystemClock(), proxy=f"http://127.0.0.1:{proxy.port}")
            assert await ask(upstream, "http://provider.example/v1/chat") == b"by proxy"
            await upstream.close()
        assert proxy.requests[0].path == "http://provider.example/v1/chat"


class TestLongRequest:
    async def test_arrives_whole_and_with_its_length(self, upstream: Upstream) -> None:
        body = b"".join(b"%07d " % number for number in range(200_000))
        trace = AttemptTrace()
        async with FakeProvider(Reply((b"ok",))) as provider:
            assert await ask(upstream, post(provider.base_url, body), trace=trace) == b"ok"
        (request,) = provider.requests
        assert request.body == body
        assert request.headers["content-length"] == str(len(body))
        assert "transfer-encoding" not in request.headers
        assert trace.sent


class TestConnections:
    async def test_are_kept_when_the_answer_was_read_to_its_end(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((b"ok",))) as provider:
            await ask(upstream, provider.base_url)
            await ask(upstream, provider.base_url)
            assert len(provider.connections) == 1

    async def test_are_not_limited_in_number(self, upstream: Upstream) -> None:
        gate = Gate()
        async with FakeProvider(Reply((b"ok",), hold=gate)) as provider, asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(upstream, provider.base_url)) for _ in range(150)]
            await provider.wait_requests(150)
            assert provider.busy_connections == 150
            gate.open()
            assert await asyncio.gather(*asked) == [b"ok"] * 150

    async def test_that_the_provider_closed_meanwhile_are_not_used(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((b"ok",))) as provider:
            await ask(upstream, provider.base_url)
            provider.close_connections()
            await asyncio.sleep(0.02)  # its FIN crosses the loopback
            assert await ask(upstream, provider.base_url) == b"ok"

    async def test_that_die_under_a_request_do_not_make_it_sent_again(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((b"ok",)), Reply(raw=b"", ending="reset")) as provider:
            await ask(upstream, provider.base_url)
            failure = await failure_of(ask(upstream, provider.base_url))
            assert (failure.reason, failure.unprocessed) == (ErrorReason.UPSTREAM_ERROR, False)
            assert len(provider.requests) == 2

    async def test_are_closed_with_the_client(self) -> None:
        upstream = Upstream(clock=SystemClock())
        async with FakeProvider(Reply((b"ok",))) as provider:
            await ask(upstream, provider.base_url)
            assert provider.open_connections == 1
            await upstream.close()
            await provider.wait_for(lambda provider: provider.open_connections == 0)

    async def test_need_not_have_been_opened_for_the_client_to_close(self) -> None:
        await Upstream(clock=SystemClock()).close()


class TestTrace:
    async def test_tells_a_new_connection_from_a_kept_one(self, upstream: Upstream) -> None:
        first, second = AttemptTrace(), AttemptTrace()
        async with FakeProvider(Reply((b"ok",), status=201)) as provider:
            await ask(upstream, provider.base_url, trace=first)
            await ask(upstream, provider.base_url, trace=second)
        assert (first.sent, first.status) == (second.sent, second.status) == (True, 201)
        assert 0 < first.connect_ms < 1000
        assert second.connect_ms == 0
        assert 0 < second.first_byte_ms < 1000

    async def test_is_sent_while_the_answer_is_awaited(self, upstream: Upstream) -> None:
        gate, trace = Gate(), AttemptTrace()
        async with FakeProvider(Reply((b"ok",), hold=gate)) as provider, asyncio.TaskGroup() as group:
            task = group.create_task(ask(upstream, provider.base_url, trace=trace))
            await gate.reached.wait()
            assert (trace.sent, trace.status) == (True, 0)
            gate.open()
            await task

    async def test_of_a_request_without_a_body_is_sent_too(self, upstream: Upstream) -> None:
        trace = AttemptTrace()
        async with FakeProvider(Reply((b"ok",))) as provider:
            await ask(upstream, HttpRequest("GET", provider.base_url, ()), trace=trace)
        assert trace.sent
        assert trace.first_byte_ms < 1000

    async def test_of_simultaneous_requests_are_kept_apart(self, upstream: Upstream) -> None:
        def script(request: object) -> Reply:
            return Reply((b"ok",), status=400 + len(provider.requests))

        traces = [AttemptTrace() for _ in range(20)]
        async with FakeProvider(script=script) as provider:
            await asyncio.gather(*(ask(upstream, provider.base_url, trace=trace) for trace in traces))
        assert sorted(trace.status for trace in traces) == list(range(401, 421))


class TestNoAnswer:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_of_a_refused_connection_proves_that_nothing_was_processed(
        self, upstream: Upstream, host: str
    ) -> None:
        trace = AttemptTrace()
        failure = await failure_of(ask(upstream, f"http://{host}:{unused_port()}/", trace=trace))
        assert failure == Failure(ErrorReason.UPSTREAM_ERROR, "the provider refuses connections", unprocessed=True)
        assert not trace.sent

    async def test_of_an_unknown_host_proves_it_too(self, upstream: Upstream) -> None:
        failure = await failure_of(ask(upstream, "http://provider.invalid/"))
        assert (failure.reason, failure.unprocessed) == (ErrorReason.UPSTREAM_ERROR, True)

    async def test_of_a_connection_that_is_not_made_in_time_is_a_timeout_of_an_unsent_request(
        self, upstream: Upstream
    ) -> None:
        trace = AttemptTrace()
        with full_listener() as port:
            failure = await failure_of(ask(upstream, f"http://127.0.0.1:{port}/", trace=trace, connect_s=0.1))
        assert (failure.reason, failure.unprocessed) == (ErrorReason.UPSTREAM_TIMEOUT, True)
        assert not trace.sent

    @pytest.mark.parametrize("ending", ["cut", "reset", "half_close"])
    async def test_of_a_dead_connection_may_have_been_processed(self, upstream: Upstream, ending: str) -> None:
        trace = AttemptTrace()
        async with FakeProvider(Reply(raw=b"", ending=ending)) as provider:  # type: ignore[arg-type]  # a table
            failure = await failure_of(ask(upstream, provider.base_url, trace=trace))
        assert (failure.reason, failure.unprocessed) == (ErrorReason.UPSTREAM_ERROR, False)
        assert trace.sent
        assert len(provider.requests) == 1

    async def test_within_the_first_byte_timeout_may_have_been_processed(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply(hold=Gate())) as provider:
            failure = await failure_of(ask(upstream, provider.base_url, first_byte_s=0.1))
            assert (failure.reason, failure.unprocessed) == (ErrorReason.UPSTREAM_TIMEOUT, False)
            await provider.wait_for(lambda provider: provider.open_connections == 0)

    @pytest.mark.parametrize("raw", [b"garbage\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n"])
    async def test_that_is_http_is_a_protocol_error(self, upstream: Upstream, raw: bytes) -> None:
        async with FakeProvider(Reply(raw=raw)) as provider:
            failure = await failure_of(ask(upstream, provider.base_url))
        assert (failure.reason, failure.unprocessed) == (ErrorReason.UPSTREAM_PROTOCOL_ERROR, False)

    async def test_of_a_server_without_tls_is_no_tls_connection(self, upstream: Upstream) -> None:
        async with asyncio.timeout(2), plain_server() as port:
            failure = await failure_of(ask(upstream, f"https://127.0.0.1:{port}/"))
        assert failure.message == "no trusted TLS connection to the provider"
        assert not failure.unprocessed, "another try would end the same"

    @pytest.mark.parametrize(
        "request_",
        [
            post("ftp://127.0.0.1/"),
            post("http://127.0.0.1:99999/"),
            post("http:///chat"),
            post("http://127.0.0.1/", bad="…"),
        ],
        ids=["scheme", "port", "no host", "no latin in a header"],
    )
    async def test_can_come_of_what_cannot_be_sent(self, upstream: Upstream, request_: HttpRequest) -> None:
        failure = await failure_of(ask(upstream, request_))
        assert failure.reason == ErrorReason.UPSTREAM_ERROR
        assert "configuration" in failure.message

    async def test_comes_of_a_key_with_a_newline(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((b"ok",))) as provider:
            request = post(provider.base_url, other=f"{SECRET}\r\nx: y")
            failure = await failure_of(ask(upstream, request))
        assert "configuration" in failure.message
        assert provider.requests == []

    async def test_keeps_the_next_good_request_from_nothing(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply(raw=b"", ending="reset"), Reply((b"ok",))) as provider:
            await failure_of(ask(upstream, provider.base_url))
            assert await ask(upstream, provider.base_url) == b"ok"


@asynccontextmanager
async def plain_server() -> AsyncIterator[int]:
    """A port where a server speaks first, and no TLS."""

    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
