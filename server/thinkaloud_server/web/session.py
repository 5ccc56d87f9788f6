"""What is said on one WebSocket, decided without waiting: client messages and the stream's events in, actions out.

Theory of operation. A socket carries any number of turns, one at a time. `received` takes a client's message and
answers with actions: `Say` a frame, `Begin` a stream, `Stop` a run, `Close`. Whoever drives the session opens the
stream, tells it which run that is (`named`), writes each event as `frame`, and says how the stream `ended`. A stream
that is open and one that the client asked to stop before its run had a name are states, not flags.

Messages are JSON objects. `type` says what is asked: "stop", "resume", "ping", "auth", and the method's own name or no
type at all for a turn; the other members are the fields of that method's request. An event on the wire is
`{"event", "sequence", "run_id", "data"}`; what is about this connection, and an answer to a message, has the sequence 0
and no run_id. A policy close is announced by a `warning`.

A socket of which nobody knows whose it is takes "auth" alone (`credential`: an API key or a token of an issuer), and
does not live long without. On any other the same message puts a newer credential in the place of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from thinkaloud_server.web import words
from thinkaloud_server.web.departure import MESSAGE, RECONNECT
from thinkaloud_server.web.error import HttpError, event_data
from thinkaloud_server.web.parse import parsed

# The close codes that no error of the table has; RFC 6455 section 7.4.1 and the contract.
DONE = 1000
GOING_AWAY = 1001
POLICY = 1008

_TOO_FAST = 4429

# Warned is who has a tenth of its limit left, or so few requests.
_NEAR_SHARE = 10
_NEAR_COUNT = 3
# So many refusals, and no event of any stream between them: this client will not mend. Pings and stops between them
# say nothing about that.
_REFUSALS_MAX = 20
# Told before the close: what an endpoint or a policy decided, not what the connection itself broke.
_ANNOUNCED = frozenset({GOING_AWAY, POLICY, 4401, 4408, 4429})

_WHO = 'say who calls: {"type": "auth", "credential": "<API key or token>"}'
_PONG = '{"event":"pong","sequence":0,"data":{}}'
_DATA = ',"data":'

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Say:
    """Send this frame."""

    text: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Open the stream: of the socket's own method, or of the one that resumes, with these fields of its request."""

    what: Literal["turn", "resume"]
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stop:
    """Call the method that stops, with these fields of its request."""

    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Ask whose this credential is."""

    credential: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close with this code; nothing is said afterwards."""

    code: int
    reason: str


Action = Say | Begin | Stop | Authenticate | Close


@dataclass(frozen=True, slots=True)
class Strange:
    """Nobody knows whose socket this is."""


@dataclass(frozen=True, slots=True)
class Idle:
    """No stream is open."""


@dataclass(frozen=True, slots=True)
class Streaming:
    """A stream is open. `stop` waits for the run's name."""

    run_id: str = ""
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing is said or heard any more."""


State = Strange | Idle | Streaming | Closed


class Session:
    """One socket. `turn` is the type of a message that begins a stream, `takes` are the types besides it; a `single`
    one closes after its first stream; a `strange` one is nobody's yet."""

    __slots__ = (
        *("_draining", "_head", "_last_case", "_refusals", "_request_id", "_run_id", "_single", "_takes", "_too_fast"),
        "_turn",
        "state",
    )

    def __init__(
        self,
        *,
        turn: str,
        takes: Sequence[str] = ("stop", "resume"),
        request_id: str = "",
        single: bool = False,
        strange: bool = False,
    ) -> None:
        self.state: State = Strange() if strange else Idle()
        self._turn = turn
        self._takes = (*takes, "auth", "ping")
        self._request_id = request_id
        self._single = single
        self._draining = False
        # The last run that this socket saw: what a stop without a run_id means.
        self._run_id = ""
        # What stands between the sequence and the data, made once per run: the hot path is one join.
        self._head = _DATA
        self._last_case = ""
        self._refusals = 0
        # A turn was refused because its sender is too fast, and none was let in since.
        self._too_fast = False

    def opened(self) -> None:
        """The address has named everything: the stream begins without a message."""
        self.state = Streaming()

    def received(self, text: str) -> list[Action]:
        """A text message."""
        if isinstance(self.state, Closed):
            return []
        try:
            message = parsed(text.encode("utf-8", "surrogatepass"), "the message")
        except HttpError as error:
            return self._refused(error)
        if not isinstance(message, dict):
            return self._refused(HttpError("MALFORMED_REQUEST", "a message is a JSON object"))
        kind = message.pop("type", None)
        if kind == "auth":
            return self._authenticate(message)
        if isinstance(self.state, Strange) and kind != "ping":
            return self.failed(HttpError("AUTH_REQUIRED", _WHO))
        if kind is None or kind == self._turn:
            return self._begin("turn", message)
        if kind not in self._takes:
            known = ", ".join(f'"{each}"' for each in (self._turn, *self._takes))
            return self._refused(HttpError("MALFORMED_REQUEST", f"type must be one of {known}, or absent"))
        if kind == "stop":
            return self._stop(message)
        if kind == "resume":
            return self._begin("resume", message)
        return [Say(_PONG)]

    def received_bytes(self) -> list[Action]:
        """A binary message: this face speaks text (RFC 6455 section 7.4.1, code 1003)."""
        return self.failed(HttpError("UNSUPPORTED_MEDIA_TYPE", "messages are JSON text, not binary frames"))

    def named(self, run_id: str) -> list[Action]:
        """The stream said which run it is of; later events are of it."""
        self._run_id = run_id
        self._head = f',"run_id":{_encode(run_id).decode()},"data":'
        state = self.state
        if not isinstance(state, Streaming):
            return []
        self.state = Streaming(run_id)
        return [Stop({**state.stop.fields, words.RUN: run_id})] if state.stop is not None else []

    def frame(self, case: str, data: bytes, sequence: int) -> str:
        """One event as it is written; the name of the case needs no escaping, as names of fields never do."""
        self._last_case = case
        self._refusals = 0
        return f'{{"event":"{case}","sequence":{sequence}{self._head}{data.decode()}}}'

    @property
    def said_all(self) -> bool:
        """The client has had the stream's last event; only the stream's own end is yet to come."""
        return isinstance(self.state, Streaming) and self._last_case in words.TERMINAL

    def ended(self, error: HttpError | None = None, *, renewed: bool = False) -> list[Action]:
        """The stream is over: at its end, or because of this error. Once the credential was `renewed`, the end of the
        one that the stream was begun with is not the socket's.

        A run that failed says so twice, as its terminal event and as the status of the stream; the client hears it
        once. An error that is only a status is of the stream: the run may well go on, so it does not name the run.
        """
        if isinstance(self.state, Closed):
            return []
        self.state = Idle()
        self._head = _DATA
        told = self._last_case == words.ERROR
        began = bool(self._last_case)
        self._last_case = ""
        said: list[Action] = [] if error is None or told else [self._error(error)]
        if began:
            self._too_fast = False
        if error is not None and error.close and not renewed and not self._is_spared(error):
            return said + self._close(error.close, error.code, error.message)
        if error is not None and not began and not error.retryable and (weary := self._weary(error)):
            return said + weary
        if self._draining:
            return said + self.leave()
        if self._single:
            return said + self._close(DONE, error.code if error is not None else "", "")
        return said

    def failed(self, error: HttpError) -> list[Action]:
        """A message could not be answered: say so, and close where the table of errors says so."""
        if isinstance(self.state, Closed):
            return []
        said: list[Action] = [self._error(error)]
        if error.close:
            said += self._close(error.close, error.code, error.message)
        return said

    def authenticated(self, identity: bytes) -> list[Action]:
        """It is known whose socket this is."""
        if isinstance(self.state, Strange):
            self.state = Idle()
        return [] if isinstance(self.state, Closed) else [Say(_about("authenticated", identity))]

    def denied(self, error: HttpError) -> list[Action]:
        """That credential is not good. Who had a good one keeps it as long as it holds."""
        if isinstance(self.state, Strange | Closed):
            return self.failed(error)
        return [self._error(error), *self._weary(error)]

    def unknown(self, auth_s: float) -> list[Action]:
        """Nobody said for so long whose socket this is."""
        error = HttpError("AUTH_REQUIRED", f"nobody said within {auth_s:g} s who calls")
        return self._close(error.close, error.code, error.message)

    def not_stopped(self, error: HttpError) -> list[Action]:
        """The run could not be asked to stop."""
        return [self._error(error)] if self._is_spared(error) else self.failed(error)

    def allowed(self, limit: int, remaining: int, reset_s: int) -> list[Action]:
        """What is left of the caller's limit after this turn: nothing is said while it is much."""
        if remaining > max(limit // _NEAR_SHARE, _NEAR_COUNT):
            return []
        return self._near(f"{remaining} of {limit} requests a minute are left; there is one more in {reset_s} s")

    def hurried(self) -> list[Action]:
        """Messages come nearly too fast."""
        return self._near("messages come faster than they may: slow down, or the socket is closed")

    def flooded(self, per_s: float) -> list[Action]:
        """Messages came too fast."""
        error = HttpError("RATE_LIMITED", f"a socket may say {per_s:g} messages a second")
        return self._close(error.close, error.code, error.message)

    def idle(self, idle_s: float) -> list[Action]:
        """Nothing was asked for so long."""
        error = HttpError("IDLE_TIMEOUT", f"nothing was asked for {idle_s:g} s")
        return self._close(error.close, error.code, error.message)

    def stalled(self, stall_s: float) -> list[Action]:
        """The client took nothing for so long. It hears of it when it reads on."""
        error = HttpError(
            "SLOW_CONSUMER", f"nothing was read for {stall_s:g} s: resume after the last sequence you have"
        )
        return self._close(error.close, error.code, error.message)

    def drain(self, *, alone: bool = False) -> list[Action]:
        """The server is leaving: an open stream may end first, and is told here where the service does not leave with
        us and tell it."""
        self._draining = True
        if not isinstance(self.state, Streaming):
            return self.leave()
        return [Say(_about(words.WARNING, RECONNECT.data))] if alone and not self.said_all else []

    def leave(self) -> list[Action]:
        """The server leaves now."""
        return self._close(GOING_AWAY, "DRAINING", MESSAGE)

    def _stop(self, fields: dict[str, Any]) -> list[Action]:
        if fields.get(words.RUN):
            return [Stop(fields)]
        if isinstance(self.state, Streaming) and not self.state.run_id:
            self.state = Streaming(stop=Stop(fields))
            return []
        if not self._run_id:
            return self._refused(HttpError("VALIDATION_FAILED", "there is nothing to stop: no run was begun here"))
        return [Stop({**fields, words.RUN: self._run_id})]

    def _authenticate(self, fields: dict[str, Any]) -> list[Action]:
        credential = fields.get("credential")
        if set(fields) != {"credential"} or not isinstance(credential, str) or not credential:
            return self._refused(HttpError("MALFORMED_REQUEST", _WHO))
        return [Authenticate(credential)]

    def _begin(self, what: Literal["turn", "resume"], fields: dict[str, Any]) -> list[Action]:
        if isinstance(self.state, Streaming):
            busy = HttpError("CONVERSATION_BUSY", "a stream is open on this socket: wait for its end, or stop it")
            return self._refused(busy)
        self.state = Streaming()
        self._run_id = ""
        return [Begin(what, fields)]

    def _refused(self, error: HttpError) -> list[Action]:
        actions = self.failed(error)
        return actions if isinstance(self.state, Closed) else actions + self._weary(error)

    def _weary(self, error: HttpError) -> list[Action]:
        """One more refusal: the close, where it was one too many."""
        self._refusals += 1
        if self._refusals < _REFUSALS_MAX:
            return []
        return self._close(POLICY, error.code, f"{self._refusals} messages in a row were refused")

    def _is_spared(self, error: HttpError) -> bool:
        """The first turn that is refused for being too soon leaves the socket open; going on after it does not."""
        if error.close != _TOO_FAST or self._too_fast or self._single or isinstance(self.state, Strange | Closed):
            return False
        self._too_fast = True
        return True

    def _near(self, message: str) -> list[Action]:
        if isinstance(self.state, Closed):
            return []
        return [Say(_about("warning", _encode({"code": "RATE_LIMIT_NEAR", "message": message})))]

    def _error(self, error: HttpError) -> Say:
        return Say(_about(words.ERROR, event_data(error, self._request_id, partial=False)))

    def _close(self, code: int, reason: str, message: str) -> list[Action]:
        if isinstance(self.state, Closed):
            return []
        self.state = Closed()
        close = Close(code, reason)
        if code not in _ANNOUNCED:
            return [close]
        warning = {"code": "RECONNECT" if code == GOING_AWAY else "CLOSING", "message": message}
        return [Say(_about("warning", _encode(warning))), close]


def _about(event: str, data: bytes) -> str:
    """Of this connection, or an answer to a message: no run, no number."""
    return f'{{"event":"{event}","sequence":0,"data":{data.decode()}}}'
