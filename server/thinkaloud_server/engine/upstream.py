"""The HTTP client towards providers. Only this file knows httpx, httpx-aiohttp and aiohttp.

Theory of operation. httpx builds the request; its aiohttp transport sends it by a session of ours. Two things
are taken from below it. The answer's bytes are read from aiohttp's response itself (the `TraceConfig` hands it
out), because that costs one await a read instead of three nested generators, and because leaving must close the
socket and not give it back to the pool. And failures are classified by the exception beneath, because the
transport reports refused, reset and disconnected alike as a connect timeout, and a wrong guess bills twice.

What was `sent`: aiohttp writes the head together with the first bytes of the body, and announces both before. A
request with a body counts as sent from its body on, because a head alone cannot be processed.

aiohttp itself sends only idempotent requests again on a kept connection that turns out to be dead, which a POST
is not. That race is kept rare by dropping idle connections before the usual servers do (uvicorn, Node and
cpp-httplib, and so vLLM, SGLang and llama.cpp, close after 5 s).
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from httpx_aiohttp import AiohttpTransport

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.engine.chaos import SpoiltResponse
from thinkaloud_server.engine.ports import AttemptTrace, Clock
from thinkaloud_server.providers.dialect import HttpRequest
from thinkaloud_server.providers.vendors import Vendor

# Asked as each request is sent, in the task that sends it.
MoreHeaders = Callable[[], Sequence[tuple[str, str]]]
KEEPALIVE_S = 4.0
# A provider that said that it is done has this long to end its answer, so that the connection can be kept.
LINGER_S = 0.25
READ_BYTES = 64 * 1024
# aiohttp would write a body in one piece, and warns above a mebibyte; longer ones go in pieces of this size.
UPLOAD_BYTES = 256 * 1024
# How often a silent answer is looked at, whether its connection still stands.
CHECK_S = 0.5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a provider may keep us waiting. Any byte is a sign of life."""

    connect_s: float = 5.0
    first_byte_s: float = 300.0
    silence_s: float = 300.0
    total_s: float = 1800.0


def default_timeouts(vendor: Vendor) -> Timeouts:
    """A vendor that pings while the model thinks need not be waited for as long as one that is just silent."""
    return Timeouts(silence_s=60.0) if vendor.pings else Timeouts()


DEFAULT_HEADERS = (("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", "thinkaloud"))


class UpstreamFault(Exception):
    """The way to the provider failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Upstream:
    """The client that all providers share. Make it anywhere, use it in one event loop, `close()` it at the end."""

    def __init__(
        self, *, clock: Clock, proxy: str | None = None, keepalive_s: float = KEEPALIVE_S, headers: MoreHeaders = tuple
    ) -> None:
        self._clock = clock
        self._headers = headers
        self._proxy = proxy
        self._keepalive_s = keepalive_s
        # The transport makes the TLS settings (httpx's own: certifi, SSL_CERT_FILE) that our session then uses.
        self._transport = AiohttpTransport(client=self._session)

    @asynccontextmanager
    async def send(
        self, request: HttpRequest, *, timeouts: Timeouts, request_id: str, trace: AttemptTrace
    ) -> AsyncIterator[Answer]:
        """The provider's answer, once its head has come. Leaving closes the connection unless it was all read.

        Raises UpstreamFault. Any status is an answer; redirects are not followed.
        """
        answer = await self._open(request, timeouts, request_id, trace)
        try:
            yield answer
        finally:
            answer.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _open(self, request: HttpRequest, timeouts: Timeouts, request_id: str, trace: AttemptTrace) -> Answer:
        exchange = _Exchange(self._clock, trace, has_body=bool(request.body))
        token = _exchange.set(exchange)
        try:
            async with asyncio.timeout(min(timeouts.first_byte_s, timeouts.total_s)):
                # Not through httpx's client, whose redirects, cookies and authentication we do not want: they cost as
                # much as the rest of a request.
                await self._transport.handle_async_request(_built(request, timeouts, request_id, self._headers()))
        except TimeoutError:
            raise UpstreamFault(_silent(timeouts.first_byte_s, "no answer")) from None
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            raise UpstreamFault(_failure(error, trace, timeouts)) from error
        except ValueError:
            # What cannot be a header or a URL; the error's text may hold the key, so it is not chained.
            raise UpstreamFault(_misconfigured()) from None
        finally:
            _exchange.reset(token)
        assert exchange.response is not None
        return Answer(exchange.response, timeouts, loop=asyncio.get_running_loop())

    def _session(self) -> aiohttp.ClientSession:
        """Called by the transport for the first request, in the event loop."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=self._keepalive_s, ssl=self._transport.ssl_context)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Response,
            auto_decompress=False,
            trust_env=False,
            proxy=self._proxy,
            read_bufsize=READ_BYTES,
            trace_configs=[_tracing()],
        )


def _built(request: HttpRequest, timeouts: Timeouts, request_id: str, more: Sequence[tuple[str, str]]) -> httpx.Request:
    given = {name.lower() for name, _ in request.headers}
    headers = [*request.headers, *(header for header in (*DEFAULT_HEADERS, *more) if header[0] not in given)]
    if request_id:
        headers.append(("x-request-id", request_id))
    content: bytes | AsyncIterator[bytes] | None = request.body or None
    if len(request.body) > UPLOAD_BYTES:
        headers.append(("content-length", str(len(request.body))))
        content = _pieces(request.body)
    # aiohttp takes `pool` for all of name lookup, connection and TLS, and `connect` for the socket alone.
    timeout = {"connect": timeouts.connect_s, "pool": timeouts.connect_s}
    return httpx.Request(
        request.method, _url(request.url), headers=headers, content=content, extensions={"timeout": timeout}
    )


@lru_cache(maxsize=256)
def _url(text: str) -> httpx.URL:
    """A provider has few URLs, and parsing one costs more than sending a token."""
    return httpx.URL(text)


class Answer:
    """The head of a provider's answer, and its body as it comes."""

    def __init__(
        self, response: aiohttp.ClientResponse, timeouts: Timeouts, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        self._loop = loop
        self._silence_s = timeouts.silence_s
        self._total_s = timeouts.total_s
        self._total_at = loop.time() + timeouts.total_s
        self._waiting_since: float | None = None
        self._fault: UpstreamFault | None = None
        self._ended = False
        # One timer for the whole answer: a read only notes since when it waits, and the timer, when it is due,
        # finds out how much longer it must be. That is what makes a timeout cost next to nothing a read.
        self._timer: asyncio.Handle = loop.call_soon(self._check)

    async def read(self) -> bytes:
        """All bytes that have come since the last read, waiting for the first; b"" is the end.

        Raises UpstreamFault when the connection broke, after what came before it was read, or the time is up.
        """
        if self._fault is not None:
            raise self._fault
        self._waiting_since = self._loop.time()
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            # RuntimeError is aiohttp's word for a read that begins after the connection is gone.
            if self._fault is None:
                self._fault = UpstreamFault(_broken(self._response))
                if rest := _rescue(self._response.content):
                    return rest
            raise self._fault from error
        finally:
            self._waiting_since = None

    async def read_all(self, bytes_max: int, within_s: float) -> tuple[bytes, Failure | None]:
        """A body that is no stream, and why it is not whole (None when it is)."""
        pieces: list[bytes] = []
        size = 0
        failure = None
        try:
            async with asyncio.timeout(within_s):
                while size <= bytes_max and (piece := await self.read()):
                    pieces.append(piece)
                    size += len(piece)
        except TimeoutError:
            failure = _silent(within_s, "no end")
        except UpstreamFault as fault:
            failure = fault.failure
        if size > bytes_max:
            message = f"the provider's answer is longer than {bytes_max} bytes"
            failure = Failure(ErrorReason.UPSTREAM_PROTOCOL_ERROR, message)
        return b"".join(pieces)[:bytes_max], failure

    def limit_silence(self, silence_s: float) -> None:
        """From now on, wait no longer than this for the next bytes."""
        self._silence_s = silence_s
        self._timer.cancel()
        self._check()

    def end(self) -> None:
        """The provider said that it is done: its connection may be kept, if it ends its answer very soon."""
        self._ended = True

    def close(self) -> None:
        """Close the connection at once, unless the answer was read to its end."""
        self._timer.cancel()
        if self._ended and not self._response.closed:
            # Nobody waits for this: at the answer's end aiohttp takes the connection back by itself.
            self._timer = self._loop.call_later(LINGER_S, self._response.close)
            self._response.content.on_eof(self._timer.cancel)
        else:
            self._response.close()

    def _check(self) -> None:
        now = self._loop.time()
        since = now if self._waiting_since is None else self._waiting_since
        due = min(since + self._silence_s, self._total_at)
        if now >= due:
            total = now >= self._total_at
            failure = _silent(self._total_s, "no end") if total else _silent(self._silence_s, "nothing more")
        elif self._waiting_since is not None and _is_dead(self._response):
            # aiohttp wakes no reader when it closes a connection because of garbage in the framing, nor when
            # its session is closed.
            failure = _broken(self._response)
        else:
            self._timer = self._loop.call_at(min(due, now + CHECK_S), self._check)
            return
        self._fault = UpstreamFault(failure)
        self._response.close()


class _Response(SpoiltResponse):
    """aiohttp closes politely, and waits until the peer has taken what is still to be sent. We leave at once.

    aiohttp itself calls `close()` when the wait for the head is cancelled.
    """

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        await super().start(connection)
        await self.spoil(_exchange.get().trace.fault)
        return self

    def close(self) -> None:
        connection = self.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        super().close()


@dataclass(slots=True)
class _Exchange:
    """One request on its way, filled by the traces."""

    clock: Clock
    trace: AttemptTrace
    has_body: bool
    connect_at: float = 0.0
    sent_at: float = 0.0
    response: aiohttp.ClientResponse | None = None

    def note_sent(self) -> None:
        if not self.trace.sent:
            self.trace.sent = True
            self.sent_at = self.clock.monotonic()


# The transport cannot carry a value to the traces. They run in the sending task (and in one that it starts).
_exchange: ContextVar[_Exchange] = ContextVar("_exchange")


def _tracing() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    config.on_connection_create_start.append(_on_connect_start)
    config.on_connection_create_end.append(_on_connect_end)
    config.on_request_headers_sent.append(_on_headers_sent)
    config.on_request_chunk_sent.append(_on_chunk_sent)
    config.on_request_end.append(_on_answer)
    return config


async def _on_connect_start(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: Any) -> None:
    exchange = _exchange.get()
    exchange.connect_at = exchange.clock.monotonic()


async def _on_connect_end(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: Any) -> None:
    exchange = _exchange.get()
    exchange.trace.connect_ms = (exchange.clock.monotonic() - exchange.connect_at) * 1000


async def _on_headers_sent(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: Any) -> None:
    exchange = _exchange.get()
    if not exchange.has_body:
        exchange.note_sent()


async def _on_chunk_sent(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: Any) -> None:
    _exchange.get().note_sent()


async def _on_answer(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
) -> None:
    exchange = _exchange.get()
    exchange.response = params.response
    exchange.trace.status = params.response.status
    exchange.trace.first_byte_ms = (exchange.clock.monotonic() - exchange.sent_at) * 1000


def _is_dead(response: aiohttp.ClientResponse) -> bool:
    """No connection any more, and yet no end. (At its end an answer has let go of its connection.)"""
    return response.connection is not None and response.connection.closed


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), UPLOAD_BYTES):
        yield body[start : start + UPLOAD_BYTES]


def _rescue(content: aiohttp.StreamReader) -> bytes:
    """What had come before the connection broke: aiohttp keeps it, but raises its error first."""
    content.set_exception(None)  # type: ignore[arg-type]  # the only way to take the error back
    return content.read_nowait()


def _failure(error: Exception, trace: AttemptTrace, timeouts: Timeouts) -> Failure:
    """What became of a request that got no answer, by the exception beneath httpx's."""
    cause = error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ else error
    unprocessed = not trace.sent
    match cause:
        case aiohttp.ClientConnectorDNSError():
            reason, message = ErrorReason.UPSTREAM_ERROR, "the provider's host name is not known"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            # True again in a second, so it is not worth a retry.
            reason, message = ErrorReason.UPSTREAM_ERROR, "no trusted TLS connection to the provider"
            unprocessed = False
        case aiohttp.ClientConnectorError() as refused:
            reason = ErrorReason.UPSTREAM_ERROR
            known = refused.os_error.errno == errno.ECONNREFUSED
            message = "the provider refuses connections" if known else "the provider cannot be reached"
        case aiohttp.ServerTimeoutError():
            reason = ErrorReason.UPSTREAM_TIMEOUT
            message = f"no connection to the provider within {timeouts.connect_s:g} s"
        case aiohttp.InvalidURL() | httpx.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return _misconfigured()
        case aiohttp.ClientHttpProxyError():
            reason, message = ErrorReason.UPSTREAM_ERROR, "the proxy refuses to connect to the provider"
        case aiohttp.ClientResponseError():
            reason, message = ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is not HTTP"
        case _:
            reason, message = ErrorReason.UPSTREAM_ERROR, "the provider closed the connection without an answer"
    return Failure(reason, message, unprocessed=unprocessed)


def _silent(limit_s: float, what: str) -> Failure:
    return Failure(ErrorReason.UPSTREAM_TIMEOUT, f"{what} from the provider within {limit_s:g} s")


def _broken(response: aiohttp.ClientResponse) -> Failure:
    """Why there is no more of an answer that has no end: the connection, or what came through it."""
    protocol = response.connection.protocol if response.connection is not None else None
    if protocol is not None and isinstance(protocol.exception(), HttpProcessingError):
        return Failure(ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is not HTTP to its end")
    return Failure(ErrorReason.UPSTREAM_TRUNCATED, "the connection to the provider broke in its answer")


def _misconfigured() -> Failure:
    return Failure(ErrorReason.UPSTREAM_ERROR, "the provider's URL or headers cannot be sent; see its configuration")
