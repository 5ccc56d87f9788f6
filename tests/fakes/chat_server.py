"""A scripted thinkaloud server on a real socket, for tests of clients. It keeps the contract, except where told not to.

A run plays its script into a log, whoever watches, and every watcher reads the log by sequence. Calls can be told to
go wrong: `server.next("Chat", Refuse(...), HangUp(after=3))` is for the next two calls of that method.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import grpc.aio
from google.protobuf import message_factory
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud.v1 import (
    chat_service_pb2,
    conversation_service_pb2,
    event_pb2,
    message_pb2,
    model_service_pb2,
    run_service_pb2,
    system_service_pb2,
)

ChatEvent = event_pb2.ChatEvent


@dataclass(frozen=True)
class Refuse:
    """End the call with a status before anything was sent; with `reason`, as thinkaloud does, else bare."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = "refused"
    retry_after_s: float | None = None
    request_id: str = "req_1"
    violations: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class HangUp:
    """End the stream after so many events, without a terminal one: with OK, or as refused."""

    after: int
    refuse: Refuse | None = None


@dataclass(frozen=True)
class FallSilent:
    """Send so many events and then nothing, not even heartbeats."""

    after: int


@dataclass(frozen=True)
class Script:
    """What a run says after `start`. It waits at `hold` before the piece of that place."""

    pieces: Sequence[ChatEvent]
    pace_s: float = 0.0
    hold_at: int | None = None


def token(text: str, index: int = 0) -> ChatEvent:
    """A piece of the answer."""
    return ChatEvent(token=event_pb2.TokenEvent(token=text, index=index))


def reasoning(text: str, kind: str = "raw") -> ChatEvent:
    """A piece of reasoning."""
    return ChatEvent(reasoning=event_pb2.ReasoningEvent(token=text, kind=kind))


def failure(code: str, message: str = "it failed", *, retryable: bool = False, partial: bool = True) -> ChatEvent:
    """The end of a run that failed."""
    return ChatEvent(
        error=event_pb2.ErrorEvent(
            code=code, message=message, request_id="req_run", retryable=retryable, partial=partial
        )
    )


def answer(text: str, thought: str = "", *, hold_at: int | None = None, pace_s: float = 0.0) -> Script:
    """An ordinary answer, a word a piece, with reasoning before it."""
    pieces = [reasoning(word) for word in _words(thought)] + [token(word) for word in _words(text)]
    return Script(pieces, pace_s=pace_s, hold_at=hold_at)


@dataclass
class ScriptedRun:
    """One run: its log, and what became of it."""

    run_id: str
    request: chat_service_pb2.ChatRequest
    log: list[ChatEvent] = field(default_factory=list)
    stopped: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        return bool(self.log) and self.log[-1].WhichOneof("event") in ("complete", "error")

    def append(self, event: ChatEvent) -> None:
        """Commit an event."""
        numbered = ChatEvent(sequence=len(self.log) + 1)
        numbered.MergeFrom(event)
        self.log.append(numbered)
        self.changed.set()
        self.changed = asyncio.Event()

    def end(self, finish_reason: str) -> None:
        """Commit the `complete` event for what has been said."""
        response = "".join(event.token.token for event in self.log)
        thought = "".join(event.reasoning.token for event in self.log)
        usage = message_pb2.Usage(input_tokens=7, output_tokens=len(self.log))
        self.append(
            ChatEvent(
                complete=event_pb2.CompleteEvent(
                    response=response,
                    reasoning=thought,
                    finish_reason=finish_reason,
                    model="fake/one",
                    provider="fake",
                    usage=usage,
                    iterations=1,
                    run_id=self.run_id,
                    conversation_id="conv_1",
                    reasoning_used=bool(thought),
                )
            )
        )

    async def play(self, script: Script, start_hold: asyncio.Event | None) -> None:
        """Say the script."""
        if start_hold is not None:
            await start_hold.wait()
        start = event_pb2.StartEvent(
            run_id=self.run_id, conversation_id="conv_1", model="fake/one", provider="fake", resumable=True
        )
        self.append(ChatEvent(start=start))
        for place, piece in enumerate(script.pieces):
            if place == script.hold_at:
                await self.released.wait()
            await asyncio.sleep(script.pace_s)
            if self.ended:
                return
            self.append(piece)
        if script.hold_at is not None and script.hold_at >= len(script.pieces):
            await self.released.wait()
        if not self.ended:
            self.end("stop")


class ChatServer:
    """Use it as an async context manager; `address` is then where it listens."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        heartbeat_s: float = 15.0,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self.script = script or answer("It is 391.")
        self.heartbeat_s = heartbeat_s
        self.credentials = credentials
        self.start_hold: asyncio.Event | None = None
        self.address = ""
        self.runs: dict[str, ScriptedRun] = {}
        self.requests: dict[str, list[Any]] = defaultdict(list)
        self.metadata: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.open_calls = 0
        self._misbehaviour: dict[str, deque[Any]] = defaultdict(deque)
        self._runs_by_key: dict[str, ScriptedRun] = {}
        self._players: set[asyncio.Task[None]] = set()
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()
        for player in self._players:
            player.cancel()
        await asyncio.gather(*self._players, return_exceptions=True)

    async def listen(self, port: int) -> None:
        """Begin to listen; the runs of before are still there."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(tuple(self._handlers()))
        address = f"127.0.0.1:{port}"
        if self.credentials is not None:
            port = self._server.add_secure_port(address, self.credentials)
        else:
            port = self._server.add_insecure_port(address)
        self.address = f"127.0.0.1:{port}"
        await self._server.start()

    async def shut(self) -> None:
        """Cut every call and stop listening."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    def next(self, method: str, *behaviour: Refuse | HangUp | FallSilent | None) -> None:
        """How the next calls of a method go wrong, in order; None for one that goes well."""
        self._misbehaviour[method] += behaviour

    def behave(self) -> None:
        """Let no call go wrong any more."""
        self._misbehaviour.clear()

    @property
    def run(self) -> ScriptedRun:
        """The only run."""
        (run,) = self.runs.values()
        return run

    def _handlers(self) -> Iterable[grpc.GenericRpcHandler]:
        own: dict[str, Callable[..., Any]] = {
            "Chat": self._chat,
            "WatchRun": self._watch,
            "GetRun": self._get_run,
            "StopRun": self._stop_run,
        }
        for module in (
            chat_service_pb2,
            run_service_pb2,
            conversation_service_pb2,
            model_service_pb2,
            system_service_pb2,
        ):
            for service in module.DESCRIPTOR.services_by_name.values():
                methods = service.methods_by_name.items()
                handlers = {name: self._handler(method, own.get(name, self._canned)) for name, method in methods}
                yield grpc.method_handlers_generic_handler(service.full_name, handlers)

    def _handler(self, method: Any, behave: Callable[..., Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Counts the open calls, keeps the request, and refuses where it was told to."""
        name, parse = method.name, message_factory.GetMessageClass(method.input_type).FromString

        async def refuse_or_keep(request: Any, context: Any) -> Any:
            self.requests[name].append(request)
            self.metadata.append(dict(context.invocation_metadata()))
            behaviour = self._misbehaviour[name].popleft() if self._misbehaviour[name] else None
            if isinstance(behaviour, Refuse):
                await _refuse(context, behaviour)
            return behaviour

        async def unary(request: Any, context: Any) -> Any:
            if isinstance(await refuse_or_keep(request, context), FallSilent):
                await asyncio.Event().wait()
            return await behave(request, context, method)

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            self.open_calls += 1
            try:
                behaviour = await refuse_or_keep(request, context)
                async for response in behave(request, context, behaviour):
                    yield response
            finally:
                self.open_calls -= 1

        def serialize(message: Any) -> bytes:
            data: bytes = message.SerializeToString()
            return data

        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, parse, serialize)
        return grpc.unary_unary_rpc_method_handler(unary, parse, serialize)

    async def _canned(self, request: Any, context: Any, method: Any) -> Any:
        return self.answers.get(method.name) or message_factory.GetMessageClass(method.output_type)()

    async def _chat(self, request: Any, context: Any, behaviour: Any) -> AsyncIterator[Any]:
        run = self._runs_by_key.get(request.idempotency_key)
        if run is None:
            run = ScriptedRun(f"run_{len(self.runs) + 1:032x}", request)
            self.runs[run.run_id] = self._runs_by_key[request.idempotency_key] = run
            player = asyncio.get_running_loop().create_task(run.play(self.script, self.start_hold))
            self._players.add(player)
            player.add_done_callback(self._players.discard)
        async for event in self._events(run, 0, request.include_reasoning, context, behaviour):
            yield chat_service_pb2.ChatResponse(event=event)

    async def _watch(self, request: Any, context: Any, behaviour: Any) -> AsyncIterator[Any]:
        run = await self._known(request, context)
        if request.after_sequence > len(run.log):
            await _refuse(context, Refuse(grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_AHEAD"))
        async for event in self._events(run, request.after_sequence, request.include_reasoning, context, behaviour):
            yield run_service_pb2.WatchRunResponse(event=event)

    async def _events(
        self, run: ScriptedRun, after: int, include_reasoning: bool, context: Any, behaviour: Any
    ) -> AsyncIterator[ChatEvent]:
        sent, position = 0, after
        while True:
            if isinstance(behaviour, HangUp | FallSilent) and sent == behaviour.after:
                if isinstance(behaviour, FallSilent):
                    await asyncio.Event().wait()
                elif behaviour.refuse is not None:
                    await _refuse(context, behaviour.refuse)
                return
            if position == len(run.log):
                if run.ended:
                    return
                try:
                    await asyncio.wait_for(run.changed.wait(), self.heartbeat_s)
                except TimeoutError:
                    yield ChatEvent(heartbeat=event_pb2.HeartbeatEvent(last_sequence=position))
                continue
            event = run.log[position]
            position += 1
            if event.WhichOneof("event") == "reasoning" and not include_reasoning:
                continue
            yield _filtered(event, include_reasoning)
            sent += 1
            if event.WhichOneof("event") == "error":
                await _refuse(context, Refuse(grpc.StatusCode.ABORTED, event.error.code, event.error.message))
            if event.WhichOneof("event") == "complete":
                return

    async def _get_run(self, request: Any, context: Any, method: Any) -> Any:
        run = await self._known(request, context)
        return run_service_pb2.GetRunResponse(run=_as_proto(run, request.include_reasoning))

    async def _stop_run(self, request: Any, context: Any, method: Any) -> Any:
        run = await self._known(request, context)
        if not run.ended:
            run.stopped = True
            run.end("stopped")
        return run_service_pb2.StopRunResponse(run=_as_proto(run, request.include_reasoning))

    async def _known(self, request: Any, context: Any) -> ScriptedRun:
        run = self.runs.get(request.run_id)
        if run is None:
            await _refuse(context, Refuse(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "no such run"))
        assert run is not None
        return run


async def _refuse(context: Any, refuse: Refuse) -> None:
    metadata: list[tuple[str, Any]] = list(refuse.metadata)
    if refuse.reason:
        status = status_pb2.Status(code=refuse.code.value[0], message=refuse.message)
        details: list[Any] = [
            error_details_pb2.ErrorInfo(reason=refuse.reason, domain="thinkaloud.dev", metadata={"near": '["a/b"]'}),
            error_details_pb2.RequestInfo(request_id=refuse.request_id),
        ]
        if refuse.retry_after_s is not None:
            details.append(error_details_pb2.RetryInfo())
            details[-1].retry_delay.FromMilliseconds(round(refuse.retry_after_s * 1000))
        if refuse.violations:
            violations = [{"field": name, "description": problem} for name, problem in refuse.violations]
            details.append(error_details_pb2.BadRequest(field_violations=violations))
        for detail in details:
            status.details.add().Pack(detail)
        metadata.append(("grpc-status-details-bin", status.SerializeToString()))
    await context.abort(refuse.code, refuse.message, trailing_metadata=tuple(metadata))


def _filtered(event: ChatEvent, include_reasoning: bool) -> ChatEvent:
    if event.WhichOneof("event") != "complete" or include_reasoning:
        return event
    shown = ChatEvent()
    shown.CopyFrom(event)
    shown.complete.ClearField("reasoning")
    return shown


def _as_proto(run: ScriptedRun, include_reasoning: bool) -> run_service_pb2.Run:
    proto = run_service_pb2.Run(run_id=run.run_id, state="running", last_sequence=len(run.log))
    if run.ended:
        end = _filtered(run.log[-1], include_reasoning)
        if end.WhichOneof("event") == "complete":
            proto.state, proto.finish_reason = "completed", end.complete.finish_reason
            proto.complete.CopyFrom(end.complete)
        else:
            proto.state = "failed"
            proto.error.CopyFrom(end.error)
    return proto


def _words(text: str) -> list[str]:
    return [word + " " for word in text.split(" ")[:-1]] + text.split(" ")[-1:] if text else []
