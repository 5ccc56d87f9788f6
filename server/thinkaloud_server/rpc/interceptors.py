"""What stands around every call, in this order, outermost first:

1. `errors`         exceptions become a status; nothing leaks and nothing is UNKNOWN
2. `request_id`     taken from the caller or made; sent back in the headers
3. `access_log`     one record per call, at its end, and one value for those who count
4. `load_shedding`  more calls than the server carries are refused with a hint when to come back
5. `by_address`     how often one address may call, and be wrong about who it is (throttle.py)
6. `identify`       who calls, and whether they may (identify.py)
7. `by_key`         how often one key may call, and how many streams it holds open (throttle.py)

Each is entered once per call, however many events the call streams. Whether a draining server still answers is not
decided here: the engine refuses new runs and hands out those that an idempotency key already made.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Self, TypeVar

import grpc

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc.address import FORWARDED_FOR, Network, caller_of
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.observer import CallEnded, CallObserver, nobody
from thinkaloud_server.rpc.status import face_of, status_of

logger = logging.getLogger("thinkaloud.rpc")
access_logger = logging.getLogger("thinkaloud.access")

Interceptor = Callable[[Call], AbstractAsyncContextManager[None]]
T = TypeVar("T")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_OVERLOADED_RETRY_S = 1.0


def around(call: Call, interceptors: Sequence[Interceptor]) -> AbstractAsyncContextManager[object]:
    """All of them around one call."""
    return _Around(call, interceptors)


@asynccontextmanager
async def errors(call: Call) -> AsyncIterator[None]:
    """Ends the call with the status of what was raised; a cancelled call has nobody left to tell."""
    try:
        yield
    except (asyncio.CancelledError, grpc.aio.AbortError):
        raise
    except Exception as error:
        told = _told(error, call)
        if told.reason is ErrorReason.INTERNAL and not isinstance(error, ChatError):
            _log_bug(error, call.method, call.request_id)
        await call.abort(status_of(told, call.request_id))


def request_id(make: Callable[[], str]) -> Interceptor:
    """Every call has an id: the caller's own where it is well-formed, else a made one."""

    @asynccontextmanager
    async def intercept(call: Call) -> AsyncIterator[None]:
        given = call.header("x-request-id") or call.header("x-correlation-id")
        call.request_id = given if _REQUEST_ID.match(given) else make()
        if call.answer_headers is not None:
            call.answer_headers.append(("x-request-id", call.request_id))
        yield

    return intercept


def access_log(clock: Clock, observer: CallObserver = nobody, trusted_proxies: Sequence[Network] = ()) -> Interceptor:
    """One record per call: who asked what, how it ended and where the time went; never text or keys."""

    @asynccontextmanager
    async def intercept(call: Call) -> AsyncIterator[None]:
        began = clock.monotonic()
        call.address = caller_of(call.peer, call.header_values(FORWARDED_FOR), trusted_proxies)
        code, reason = "OK", ""
        try:
            yield
        except Exception as error:
            told = _told(error, call)
            code, reason = face_of(told).code.name, told.reason.value
            raise
        except BaseException:
            late = call.time_remaining() == 0
            code = "DEADLINE_EXCEEDED" if late else "CANCELLED"
            raise
        finally:
            duration_s = clock.monotonic() - began
            call.code = code
            fields = {
                "method": call.method,
                "code": code,
                "reason": reason,
                "peer": call.peer,
                "address": call.address,
                "tenant": call.identity.tenant,
                "key_id": call.identity.key_id,
                "request_id": call.request_id,
                "run_id": call.run_id,
                "duration_ms": round(duration_s * 1000, 3),
                "events": call.events,
            }
            if call.events:
                fields["first_event_ms"] = round((call.first_event_at - began) * 1000, 3)
            if call.complete is not None:
                fields.update(_of_run(call.complete))
            access_logger.info("rpc_completed", extra=fields)
            observer(CallEnded(call.method, code, reason, call.events, duration_s))

    return intercept


def _of_run(complete: Complete) -> Mapping[str, Any]:
    """What the record of a call says of the run that it saw to its end."""
    timing, usage = complete.timing, complete.usage
    return {
        "provider": complete.provider,
        "model": complete.model,
        "attempts": len(complete.attempts),
        "finish_reason": complete.finish_reason,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_usd": usage.cost_usd,
        "provider_connect_ms": timing.connect_ms,
        "provider_first_byte_ms": timing.first_byte_ms,
        "provider_first_token_ms": timing.first_token_ms,
        "run_queue_ms": timing.queue_ms,
        "run_total_ms": timing.total_ms,
    }


class _Around(AsyncExitStack):
    """Itself the stack: another generator around one would cost every call."""

    def __init__(self, call: Call, interceptors: Sequence[Interceptor]) -> None:
        super().__init__()
        self._call = call
        self._interceptors = interceptors

    async def __aenter__(self) -> Self:
        try:
            for interceptor in self._interceptors:
                await self.enter_async_context(interceptor(self._call))
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self


class LoadShedding:
    """Counts open calls and refuses those above the limit, before anything was done for them."""

    def __init__(self, calls_max: int) -> None:
        self._calls_max = calls_max
        self._idle = asyncio.Event()
        self._idle.set()
        self.calls = 0

    @asynccontextmanager
    async def __call__(self, call: Call) -> AsyncIterator[None]:
        if self.calls >= self._calls_max:
            raise ChatError(
                ErrorReason.OVERLOADED,
                f"the server carries {self._calls_max} calls and has no room for another: try again",
                retry_after_s=_OVERLOADED_RETRY_S,
            )
        self.calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.calls -= 1
            if not self.calls:
                self._idle.set()

    async def idle(self) -> None:
        """Return when no call is open."""
        await self._idle.wait()


async def settled(
    answer: Awaitable[T], *, method: str, request_id: str, timeout_s: float | None = None
) -> T | ChatError:
    """What it answers, or its failure as an error fit for the caller: for answers that carry several outcomes."""
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await answer
    except ChatError as error:
        return error
    except Exception as error:
        if limit.expired():
            return ChatError(ErrorReason.DEADLINE_EXCEEDED, f"no answer within {timeout_s:g} s")
        _log_bug(error, method, request_id)
        return ChatError(ErrorReason.INTERNAL, "internal error")


def _told(error: Exception, call: Call) -> ChatError:
    """What the caller is told of this exception."""
    if isinstance(error, ChatError):
        return error
    if call.time_remaining() == 0:
        return ChatError(ErrorReason.DEADLINE_EXCEEDED, "the caller's deadline passed")
    return ChatError(ErrorReason.INTERNAL, "internal error")


def _log_bug(error: Exception, method: str, request_id: str) -> None:
    logger.error("rpc_failed", exc_info=error, extra={"method": method, "request_id": request_id})
