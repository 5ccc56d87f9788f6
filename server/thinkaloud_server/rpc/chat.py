"""ChatService: one turn streamed, one turn answered whole, many turns at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace

from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.core.errors import ChatError, ErrorReason, invalid
from thinkaloud_server.core.event import Complete, Error, Terminal
from thinkaloud_server.core.run import Run
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.rpc import status, wire
from thinkaloud_server.rpc.call import Call, tenant_of
from thinkaloud_server.rpc.departure import Departure
from thinkaloud_server.rpc.fault import fault_of
from thinkaloud_server.rpc.interceptors import settled
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.ports import Engine
from thinkaloud_server.rpc.stream import follow, heartbeat
from thinkaloud_server.rpc.validate import turn_of

# A unary caller gets no heartbeat; this only bounds one wait.
_IDLE_S = 60.0
# What frames one result of a batch: its index, tags and lengths.
_RESULT_FRAME_BYTES = 32


class ChatServicer:
    """Turns requests into turns, and the runs that they become into answers."""

    def __init__(self, engine: Engine, limits: Limits, departure: Departure) -> None:
        self._engine = engine
        self._limits = limits
        self._departure = departure

    async def chat(self, request: pb.ChatRequest, call: Call) -> AsyncGenerator[pb.ChatResponse, None]:
        """Begin, and follow from the first event. A queued turn begins late: life signs until then."""
        tenant = tenant_of(call)
        audience = _audience(request)
        turn = self._turn(request, call)
        async with self._beginning(tenant, turn) as begin:
            # A stream may live for hours; what was asked, up to megabytes of it, need not.
            del request, turn
            while not (await asyncio.wait((begin,), timeout=self._limits.heartbeat_s))[0]:
                yield heartbeat(pb.ChatResponse, 0)
            run = begin.result()
        call.run_id = run.run_id
        events = follow(
            self._engine,
            tenant,
            run.run_id,
            after_sequence=0,
            audience=audience,
            heartbeat_s=self._limits.heartbeat_s,
            departure=self._departure,
            response=pb.ChatResponse,
            call=call,
        )
        async with aclosing(events):
            async for event in events:
                yield event

    async def send_message(self, request: pb.SendMessageRequest, call: Call) -> pb.SendMessageResponse:
        """Begin, and wait for the end. A failed run is the status of its error."""
        turn = self._turn(request.request, call)
        run = await self._engine.begin(tenant_of(call), turn)
        call.run_id = run.run_id
        complete = await self._completed(tenant_of(call), run)
        call.complete = complete
        return pb.SendMessageResponse(complete=wire.complete_to_proto(complete, _audience(request.request)))

    async def batch_chat(self, request: pb.BatchChatRequest, call: Call) -> pb.BatchChatResponse:
        """Run all of them, some at a time; each entry has its own answer or its own error."""
        most = self._limits.batch_requests
        if not 1 <= len(request.requests) <= most:
            raise invalid("requests", f"must have 1 to {most} entries, got {len(request.requests)}")
        if self._engine.status().draining:
            raise ChatError(ErrorReason.DRAINING, "the server is shutting down: send it to another replica")
        room = asyncio.Semaphore(self._limits.batch_concurrent)

        async def entry(each: pb.ChatRequest) -> Complete | ChatError | Error:
            async with room:
                answer = self._answer(each, call)
                return await settled(answer, method=call.method, request_id=call.request_id)

        async with asyncio.TaskGroup() as group:
            entries = [group.create_task(entry(each)) for each in request.requests]
        response = pb.BatchChatResponse()
        size = 0
        for index, (asked, answered) in enumerate(zip(request.requests, entries, strict=True)):
            result = _batch_result(index, answered.result(), _audience(asked), call.request_id)
            size += result.ByteSize() + _RESULT_FRAME_BYTES
            if size > self._limits.response_bytes:
                size -= result.ByteSize()
                result = _batch_result(index, _no_room(answered.result()), _audience(asked), call.request_id)
                size += result.ByteSize()
            response.results.append(result)
        return response

    def _turn(self, request: pb.ChatRequest, call: Call) -> Turn:
        turn = turn_of(
            request,
            self._limits,
            request_id=call.request_id,
            deadline_s=call.time_remaining(),
            identity=call.identity,
        )
        return replace(turn, fault=fault_of(call)) if self._limits.faults_by_header else turn

    @asynccontextmanager
    async def _beginning(self, tenant: str, turn: Turn) -> AsyncIterator[asyncio.Future[Run]]:
        """The run, being begun; leaving gives it up, also in the moment between its beginning and its first event."""
        begin = asyncio.ensure_future(self._engine.begin(tenant, turn))
        try:
            yield begin
        except BaseException:
            begin.cancel()
            (made,) = await asyncio.gather(begin, return_exceptions=True)
            if isinstance(made, Run):
                with suppress(ChatError):
                    async with self._engine.watch(tenant, made.run_id, 0):
                        pass  # one who watches and leaves: what then happens is the run's `detach`
            raise

    async def _answer(self, request: pb.ChatRequest, call: Call) -> Complete | Error:
        tenant = tenant_of(call)
        return await self._terminal(tenant, await self._engine.begin(tenant, self._turn(request, call)))

    async def _completed(self, tenant: str, run: Run) -> Complete:
        terminal = await self._terminal(tenant, run)
        if isinstance(terminal, Error):
            raise status.from_event(terminal)
        return terminal

    async def _terminal(self, tenant: str, run: Run) -> Terminal:
        """The end of the run, waited for as one of its watchers: leaving is seen like any watcher's."""
        if run.state == "running":
            async with self._engine.watch(tenant, run.run_id, run.last_sequence) as watch:
                while not watch.ended:
                    page = await watch.read(_IDLE_S)
                    if page and isinstance(terminal := page[-1].event, Complete | Error):
                        return terminal
        _, settled_as = await self._engine.get_run(tenant, run.run_id)
        if settled_as is None:
            raise ChatError(ErrorReason.STORAGE_UNAVAILABLE, "the run's end is not stored yet")
        return settled_as


def _audience(request: pb.ChatRequest) -> wire.Audience:
    fallback = request.reasoning_only_fallback if request.HasField("reasoning_only_fallback") else None
    return wire.Audience.of(request.include_reasoning, fallback)


def _batch_result(
    index: int, answered: Complete | Error | ChatError, audience: wire.Audience, request_id: str
) -> pb.BatchChatResult:
    if isinstance(answered, ChatError):
        answered = status.to_event(answered, request_id)
    if isinstance(answered, Error):
        return pb.BatchChatResult(index=index, error=wire.error_to_proto(answered))
    return pb.BatchChatResult(index=index, complete=wire.complete_to_proto(answered, audience))


def _no_room(answered: Complete | Error | ChatError) -> ChatError:
    run_id = answered.run_id if isinstance(answered, Complete) else ""
    return ChatError(
        ErrorReason.MESSAGE_TOO_LARGE,
        "the results together are over the limit of one message; this one is kept: take it with GetRun",
        details={"run_id": run_id} if run_id else {},
    )
