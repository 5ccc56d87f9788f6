"""One WebSocket while it is open: what waits around its session (session.py).

Two tasks serve a socket: one reads it, and while a stream is open a second one writes its events; where the service
holds sockets (hold.py), a third waits for the end of that. Leaving the socket leaves the stream; what then becomes of
the run is the service's to decide. One timer per socket, moved on lazily, looks
for a client that stopped reading and for one that stopped asking: arming one per event would cost more than the event.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from starlette.types import Receive, Scope, Send

from thinkaloud_server.web import words
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.call import Caller, Metadata
from thinkaloud_server.web.error import HttpError, allowance
from thinkaloud_server.web.fill import fill
from thinkaloud_server.web.flood import Flood
from thinkaloud_server.web.hold import Gate, Hold
from thinkaloud_server.web.rest import encoded
from thinkaloud_server.web.route import Socket
from thinkaloud_server.web.session import (
    POLICY,
    Action,
    Authenticate,
    Begin,
    Close,
    Closed,
    Idle,
    Say,
    Session,
    Stop,
    Strange,
)
from thinkaloud_server.web.settings import WebSettings
from thinkaloud_server.web.write import event_of, json_of

logger = logging.getLogger("thinkaloud.web")

# An extension of the ASGI scope, where the server has it: last words and a close without waiting for room.
CUT = "websocket.cut"
# For the last words to a client that may not be reading, where the server has no such extension.
_PARTING_S = 1.0
_UNAUTHENTICATED = 401
# Between the last event of a stream and its status.
_ENDING_S = 5.0


@dataclass(frozen=True, slots=True)
class Methods:
    """What a socket calls."""

    turn: MethodDescriptor
    stop: MethodDescriptor | None
    resume: MethodDescriptor | None
    single: bool

    @classmethod
    def of(cls, socket: Socket, known: Mapping[str, MethodDescriptor]) -> Methods:
        face = socket.face
        return cls(socket.method, known.get(face.stop), known.get(face.resume), bool(socket.template.variables))

    def session(self, request_id: str, *, strange: bool) -> Session:
        siblings = {"stop": self.stop, "resume": None if self.single else self.resume}
        return Session(
            turn=re.sub(r"(?<!^)(?=[A-Z])", "_", self.turn.name).lower(),
            takes=[name for name, method in siblings.items() if method is not None],
            request_id=request_id,
            single=self.single,
            strange=strange,
        )


class _Cut(Protocol):
    def __call__(self, texts: Sequence[str], code: int, reason: str) -> None: ...


class Connection:
    """One socket: its session, its two tasks and its timer."""

    def __init__(
        self,
        methods: Methods,
        caller: Caller,
        settings: WebSettings,
        asked: Asked,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        gate: Gate | None = None,
        hold: Hold | None = None,
    ) -> None:
        self._methods = methods
        self._caller = caller
        self._settings = settings
        self._asked = asked
        self._metadata = asked.metadata()
        self._gate = gate
        self._hold = hold
        self._holding: asyncio.Task[None] | None = None
        self._opening: Callable[[], Message] | None = None
        self._receive = receive
        self._asgi_send = send
        self._session = methods.session(asked.request_id, strange=gate is not None and hold is None)
        self._cut: _Cut | None = (scope.get("extensions") or {}).get(CUT, {}).get("cut")
        self._clock = asyncio.get_running_loop().time
        self._group = asyncio.TaskGroup()
        self._patience = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._stream: asyncio.Task[None] | None = None
        self._sending = 0
        self._began_at = self._sent_at = self._heard_at = self._clock()
        self._flood = Flood(settings.messages_per_s, settings.messages_burst, self._heard_at)
        self._parting: Sequence[Action] = ()

    async def serve(self, opening: Callable[[], Message] | None) -> None:
        """Accept, and converse until either side leaves."""
        self._opening = opening
        await self._receive()
        try:
            await self._asgi_send({"type": "websocket.accept", "headers": encoded(self._asked.ids())})
            async with self._patience:
                await self._converse()
        except TimeoutError:
            if not self._patience.expired():
                raise
            await self._part(self._parting)
        except OSError:
            pass  # the client is gone: ASGI's `send` says so
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if self._hold is not None:
                await self._hold.close()

    async def drain(self) -> None:
        await self._part(self._session.drain(alone=self._settings.leaves_alone))

    async def leave(self) -> None:
        self._leave_stream()
        await self._part(self._session.leave())

    async def _converse(self) -> None:
        self._look()
        async with self._group:
            try:
                if self._hold is not None:
                    self._holding = self._group.create_task(self._keep(self._hold))
                await self._open_named()
                while (message := await self._receive())["type"] == "websocket.receive":
                    self._heard_at = self._clock()
                    if not await self._is_slow_enough():
                        continue
                    if self._session.said_all and self._stream is not None:
                        # For the client the turn is over; its next one must not meet the end that is on its way.
                        await asyncio.wait((self._stream,), timeout=_ENDING_S)
                    await self._do(self._heard(message))
            except OSError:
                pass  # the client is gone; left to the group it would be an error in a group of errors
            finally:
                self._leave_stream()
                if self._holding is not None:
                    self._holding.cancel()

    async def _open_named(self) -> None:
        """The stream that the address names, once it is known whose socket this is."""
        if self._opening is not None and isinstance(self._session.state, Idle):
            opening, self._opening = self._opening, None
            self._session.opened()
            await self._open(self._methods.turn, opening)

    async def _authenticate(self, credential: str) -> None:
        if self._gate is None:
            await self._do(self._session.authenticated(b"{}"))
            return
        try:
            hold = await self._gate.open(self._asked, credential=credential)
        except HttpError as error:
            await self._do(self._session.denied(error))
            return
        if self._holding is not None:
            self._holding.cancel()
        if self._hold is not None:
            await self._hold.close()
        self._hold = hold
        self._holding = self._group.create_task(self._keep(hold))
        await self._do(self._session.authenticated(json_of(getattr(hold.held, words.IDENTITY))))
        await self._open_named()
        self._look()

    async def _keep(self, hold: Hold) -> None:
        """Close the socket when the service takes its word back."""
        error = await hold.over()
        self._leave_stream()
        # To a client that may not be reading: a revoked key is not kept for it.
        await self._part(self._session.failed(error) if error.close else self._session.leave())

    def _called_with(self) -> Metadata:
        return self._metadata if self._hold is None else self._hold.metadata

    async def _is_slow_enough(self) -> bool:
        match self._flood.heard(self._heard_at):
            case "near":
                await self._do(self._session.hurried())
            case "over":
                # Whoever talks like this may not be listening.
                await self._part(self._session.flooded(self._settings.messages_per_s))
                return False
        return True

    def _heard(self, message: MutableMapping[str, Any]) -> list[Action]:
        text = message.get("text")
        if text is None:
            return self._session.received_bytes()
        most = self._settings.message_bytes
        if len(text) > most or (4 * len(text) > most and len(text.encode("utf-8", "surrogatepass")) > most):
            return self._session.failed(HttpError("MESSAGE_TOO_LARGE", f"a message has at most {most} bytes"))
        return self._session.received(text)

    async def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Say(text):
                    await self._send({"type": "websocket.send", "text": text})
                case Begin(what, fields):
                    method = self._methods.turn if what == "turn" else self._methods.resume
                    assert method is not None
                    await self._open(method, _filled(method, fields))
                case Stop(fields):
                    await self._stop(fields)
                case Authenticate(credential):
                    await self._authenticate(credential)
                case Close(code, reason):
                    await self._close(code, reason)

    async def _open(self, method: MethodDescriptor, request: Callable[[], Message]) -> None:
        try:
            message = request()
        except HttpError as error:
            await self._do(self._session.ended(error))
            return
        if words.has(method.input_type, words.RUN) and (run_id := getattr(message, words.RUN)):
            await self._do(self._session.named(run_id))
        self._stream = self._group.create_task(self._follow(method, message))

    async def _follow(self, method: MethodDescriptor, message: Message) -> None:
        """One stream, from its call to what the session says at its end."""
        failure: HttpError | None = None
        hold = self._hold
        try:
            await self._write(method, message)
        except OSError:
            return  # the client is gone, which the reader learns too
        except HttpError as error:
            failure = error
        except Exception:
            logger.exception("stream_failed", extra={"method": method.full_name})
            failure = HttpError("INTERNAL", "internal error")
        self._heard_at = self._clock()
        self._stream = None
        renewed = failure is not None and failure.http == _UNAUTHENTICATED and self._hold is not hold
        with suppress(OSError):
            await self._do(self._session.ended(failure, renewed=renewed))
        self._look()

    async def _write(self, method: MethodDescriptor, message: Message) -> None:
        session, send = self._session, self._send
        async with self._caller.stream(method, message, self._called_with()) as messages:
            untold = True
            async for each in messages:
                case, data, sequence, run_id = event_of(each)
                if run_id:
                    await self._do(session.named(run_id))
                await send({"type": "websocket.send", "text": session.frame(case, data, sequence)})
                if untold:
                    untold = False
                    if (allowed := allowance(await messages.headers())) is not None:
                        await self._do(session.allowed(*allowed))

    async def _stop(self, fields: dict[str, Any]) -> None:
        """Answered by the end of the stream; only a failure is an answer of its own."""
        method = self._methods.stop
        assert method is not None
        try:
            request = _filled(method, fields)()
            await self._caller.unary(method, request, self._called_with(), self._settings.stop_timeout_s)
        except HttpError as error:
            await self._do(self._session.not_stopped(error))

    async def _close(self, code: int, reason: str) -> None:
        if self._stream is not asyncio.current_task():
            self._leave_stream()
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _leave_stream(self) -> None:
        if self._stream is not None:
            self._stream.cancel()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self._sending += 1
        self._sent_at = self._clock()
        try:
            await self._asgi_send(message)
        except RuntimeError as error:
            # uvicorn's word for a connection that it closed itself, a frame over its limit for instance.
            raise ConnectionResetError(str(error)) from error
        finally:
            self._sending -= 1

    def _look(self) -> None:
        """Whether either patience has run out; looks again when it may have."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._patience.expired() or (isinstance(self._session.state, Closed) and not self._sending):
            return
        now, settings = self._clock(), self._settings
        # Whoever begins to be waited for before the next look is then looked at in time.
        due = now + settings.stall_timeout_s
        if self._sending:
            due = self._sent_at + settings.stall_timeout_s
        elif isinstance(self._session.state, Idle):
            due = min(due, self._heard_at + settings.idle_timeout_s)
        elif isinstance(self._session.state, Strange):
            due = min(due, self._began_at + settings.auth_timeout_s)
        if due > now:
            self._timer = asyncio.get_running_loop().call_at(due, self._look)
            return
        if self._sending:
            # Who was told to go, and takes not even that, is dropped.
            self._parting = self._session.stalled(settings.stall_timeout_s) or [Close(POLICY, "SLOW_CONSUMER")]
        elif isinstance(self._session.state, Strange):
            self._parting = self._session.unknown(settings.auth_timeout_s)
        else:
            self._parting = self._session.idle(settings.idle_timeout_s)
        self._patience.reschedule(now)

    async def _part(self, actions: Sequence[Action]) -> None:
        """Last words and the close, to a client that may not be reading."""
        close = next((each for each in actions if isinstance(each, Close)), None)
        if self._cut is not None and close is not None:
            self._cut([each.text for each in actions if isinstance(each, Say)], close.code, close.reason)
            return
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PARTING_S):
                await self._do(actions)


def _filled(method: MethodDescriptor, fields: dict[str, Any]) -> Callable[[], Message]:
    def request() -> Message:
        message = GetMessageClass(method.input_type)()
        fill(message, fields, "")
        return message

    return request
