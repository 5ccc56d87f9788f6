"""A provider behind HTTP: an endpoint, its dialect, and the shared client, as the engine's `Provider`.

It joins bytes and dialect, and decides what an answer is (a stream, a refusal, not HTTP's idea of a stream) and
how it ended. Whatever goes wrong on the way comes out as a Failure, last in a batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from thinkaloud_server.core.delta import Delta, EndOfStream, Failure, Finish, StreamDecoder
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.engine.chaos import NextFault
from thinkaloud_server.engine.details import with_details
from thinkaloud_server.engine.ports import AttemptTrace, ThinkTags
from thinkaloud_server.engine.upstream import Answer, Timeouts, Upstream, UpstreamFault, default_timeouts
from thinkaloud_server.providers.dialect import Dialect, Endpoint, HttpRequest
from thinkaloud_server.providers.known import with_known

logger = logging.getLogger(__name__)

ERROR_BYTES_MAX = 64 * 1024
ERROR_WITHIN_S = 10.0
LISTING_BYTES_MAX = 16 * 1024 * 1024
LISTING_WITHIN_S = 10.0
# A provider that said why it stopped owes us no more than usage and an end.
SILENCE_AFTER_FINISH_S = 5.0

# Types of a 2xx answer that is no stream: an error in disguise, a login page. Anything else is the decoder's to judge,
# JSON too: some servers answer a request for a stream with the whole answer, or with an error, in one object.
_NOT_STREAMS = frozenset(
    {
        "application/problem+json",
        "application/xhtml+xml",
        "application/xml",
        "text/html",
        "text/xml",
    }
)


class HttpProvider:
    """Satisfies engine.ports.Provider. `chaos` spoils answers, of streams alone: a listing is left as it is."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        dialect: Dialect,
        upstream: Upstream,
        timeouts: Timeouts | None = None,
        sign: Callable[[HttpRequest], HttpRequest] | None = None,
        chaos: NextFault | None = None,
    ) -> None:
        """`sign` puts a signature on each request. It may wait for credentials, so it is called in a thread."""
        self._endpoint = endpoint
        self._dialect = dialect
        self._upstream = upstream
        self._timeouts = timeouts or default_timeouts(endpoint.vendor)
        self._sign = sign
        self._chaos = chaos

    @property
    def name(self) -> str:
        return self._endpoint.provider

    @property
    def dialect(self) -> str:
        return self._dialect.name

    @property
    def base_url(self) -> str:
        """Without what a URL may hold of credentials: user, password, query."""
        url = urlsplit(self._endpoint.base_url)
        return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))

    @property
    def lists_all(self) -> bool:
        """Never: vendors take aliases and new models that their listings do not name."""
        return False

    @property
    def tells_reasoning(self) -> bool:
        return self._endpoint.vendor.lists_reasoning

    def known(self, model: str) -> ModelInfo:
        """From the table of models alone."""
        return with_known(self._endpoint.vendor.name, ModelInfo(model, self.name))

    def think_tags(self, model: str) -> ThinkTags:
        return "inside" if model in self._endpoint.starts_in_reasoning else "auto"

    @asynccontextmanager
    async def stream(
        self, request: ModelRequest, *, request_id: str, trace: AttemptTrace
    ) -> AsyncIterator[AsyncIterator[Sequence[Delta]]]:
        """Entering waits for the head of the answer; each batch is what one read of its body brought."""
        http_request = self._dialect.request(self._endpoint, request)
        trace.reasoning_sent, trace.adjusted = http_request.reasoning_sent, http_request.adjusted
        if trace.fault is None and self._chaos is not None:
            trace.fault = self._chaos()
        if trace.fault is not None:
            told = {"provider": self.name, "fault": str(trace.fault), "request_id": request_id}
            logger.warning("chaos_fault", extra=told)
        async with AsyncExitStack() as stack:
            try:
                http_request = await self._signed(http_request)
                answer = await stack.enter_async_context(
                    self._upstream.send(http_request, timeouts=self._timeouts, request_id=request_id, trace=trace)
                )
            except UpstreamFault as fault:
                batches = _only(fault.failure)
            except ChatError as error:
                batches = _only(Failure(error.reason, error.message))
            else:
                if _is_stream(answer):
                    batches = _decoded(answer, self._dialect.decoder(self._endpoint, request))
                else:
                    batches = _only(await self._refusal(answer, reasoning_sent=trace.reasoning_sent))
            yield await stack.enter_async_context(aclosing(batches))

    async def models(self) -> Sequence[ModelInfo]:
        """The listing, with what is told of each model by itself, and what is known of it besides."""
        body = await self._read(self._dialect.listing(self._endpoint), LISTING_WITHIN_S)
        try:
            listed = self._dialect.models(self._endpoint, body)
        except ValueError as error:
            message = "the provider's list of models cannot be read"
            raise ChatError(ErrorReason.UPSTREAM_PROTOCOL_ERROR, message) from error
        detailed = await with_details(self._dialect, self._endpoint, listed, self._read)
        return [with_known(self._endpoint.vendor.name, model) for model in detailed]

    async def _read(self, request: HttpRequest, within_s: float) -> bytes:
        """The body of a good answer to a small request. Raises ChatError."""
        timeouts = replace(self._timeouts, first_byte_s=within_s, total_s=within_s)
        trace = AttemptTrace()
        try:
            request = await self._signed(request)
            async with self._upstream.send(request, timeouts=timeouts, request_id="", trace=trace) as answer:
                if not 200 <= answer.status < 300:
                    raise _as_error(await self._refusal(answer, reasoning_sent=False))
                body, failure = await answer.read_all(LISTING_BYTES_MAX, within_s)
        except UpstreamFault as fault:
            raise _as_error(fault.failure) from fault
        if failure is not None:
            raise _as_error(failure)
        return body

    async def _signed(self, request: HttpRequest) -> HttpRequest:
        return request if self._sign is None else await asyncio.to_thread(self._sign, request)

    async def _refusal(self, answer: Answer, *, reasoning_sent: bool) -> Failure:
        """What an answer means that is no stream."""
        if 300 <= answer.status < 400:
            message = f"the provider redirects (status {answer.status}), which is not followed: see its base_url"
            return Failure(ErrorReason.UPSTREAM_PROTOCOL_ERROR, message, status=answer.status)
        if not _is_encoded(answer):
            # A body that does not come whole still may say why; and without a body, the status does.
            body, _ = await answer.read_all(ERROR_BYTES_MAX, ERROR_WITHIN_S)
        elif answer.status < 400:
            message = "the provider's answer is compressed, which was not asked for"
            return Failure(ErrorReason.UPSTREAM_PROTOCOL_ERROR, message, status=answer.status)
        else:
            body = b""
        return self._dialect.failure(self._endpoint, answer.status, answer.headers, body, reasoning_sent=reasoning_sent)


async def _only(failure: Failure) -> AsyncGenerator[Sequence[Delta], None]:
    yield [failure]


async def _decoded(answer: Answer, decoder: StreamDecoder) -> AsyncGenerator[Sequence[Delta], None]:
    finished = False
    while True:
        try:
            data = await answer.read()
            batch = decoder.feed(data) if data else decoder.end()
        except UpstreamFault as fault:
            yield _cut(decoder, fault.failure, finished=finished)
            return
        except ChatError as error:
            yield [Failure(error.reason, error.message)]
            return
        if not batch:
            # A comment or half a frame; `end()` always has a last word.
            assert data
            continue
        last = batch[-1]
        if isinstance(last, EndOfStream):
            answer.end()
        elif not finished and any(isinstance(delta, Finish) for delta in batch):
            finished = True
            answer.limit_silence(SILENCE_AFTER_FINISH_S)
        yield batch
        if isinstance(last, EndOfStream | Failure):
            return


def _cut(decoder: StreamDecoder, failure: Failure, *, finished: bool) -> Sequence[Delta]:
    """The end of a stream that broke or fell silent: good if the provider was done, else the failure.

    Silence is an end only after the provider said why it stopped; a broken connection is what the decoder says.
    """
    try:
        rest = decoder.end()
    except ChatError as error:
        return [Failure(error.reason, error.message)]
    done = bool(rest) and isinstance(rest[-1], EndOfStream)
    if done and (finished or failure.reason is not ErrorReason.UPSTREAM_TIMEOUT):
        return rest
    return [*(delta for delta in rest if not isinstance(delta, EndOfStream | Failure)), failure]


def _is_stream(answer: Answer) -> bool:
    if not 200 <= answer.status < 300 or _is_encoded(answer):
        return False
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() not in _NOT_STREAMS


def _is_encoded(answer: Answer) -> bool:
    return answer.headers.get("content-encoding", "").strip().lower() not in ("", "identity")


def _as_error(failure: Failure) -> ChatError:
    return ChatError(failure.reason, failure.message, retry_after_s=failure.retry_after_s)
