"""Where one watcher stands in a run, and what it must send next: the contract's rules of resuming, pure.

Theory of operation. A `Cursor` is asked for the `request` to send, fed every event that comes, and told when a stream
`broke`; the answer is how long to wait before asking again, or an exception. So it passes through:

    Chat            until `start` has come; sent again with the same key, which is the same run
    WatchRun        from then on, after the last sequence that was passed
    GetRun          when the log is shorter than what we have seen: only the settled result is left to learn

A terminal event ends it, whatever status follows. It knows no clock and no randomness: both are given.
"""

from __future__ import annotations

from dataclasses import dataclass

from thinkaloud.errors import ConnectionLostError, DeadlineExceededError, ThinkaloudError, UnavailableError
from thinkaloud.events import (
    Complete,
    Error,
    Event,
    Heartbeat,
    Start,
    Terminal,
    Warning,
    complete_from_proto,
    error_from_proto,
    from_proto,
)
from thinkaloud.v1 import chat_service_pb2, event_pb2, run_service_pb2

DELAY_FIRST_S = 0.1
DELAY_MAX_S = 5.0

Request = chat_service_pb2.ChatRequest | run_service_pb2.WatchRunRequest | run_service_pb2.GetRunRequest


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on without progress: before `start`, when nothing is lost by giving up, and after it."""

    start_s: float = 10.0
    resume_s: float = 60.0


class Cursor:
    """See the module's theory of operation. `origin` is the request that the caller's stream began with."""

    def __init__(
        self,
        origin: chat_service_pb2.ChatRequest | run_service_pb2.WatchRunRequest,
        *,
        patience: Patience,
        timeout_s: float | None = None,
        heartbeats: bool = False,
    ) -> None:
        self.run_id, self.last_sequence = "", 0
        if isinstance(origin, run_service_pb2.WatchRunRequest):
            self.run_id, self.last_sequence = origin.run_id, origin.after_sequence
        self.ended = False
        self._origin = origin
        self._patience = patience
        self._timeout_s = timeout_s
        self._deadline_s: float | None = None
        self._heartbeats = heartbeats
        self._first_sequence = self.last_sequence
        self._settling = False
        self._gave_up = False
        self._broken_since_s: float | None = None
        self._attempts = 0

    @property
    def stops_on_leaving(self) -> bool:
        """Whether a caller that leaves now ends the run: it began it, kept no claim on it, and it may be live."""
        origin = self._origin
        began = isinstance(origin, chat_service_pb2.ChatRequest) and not origin.HasField("detach")
        return began and not self.ended and not self._gave_up

    def left_s(self, now_s: float) -> float | None:
        """What the next call may take, or None for no limit. The first question starts the clock of `timeout_s`."""
        if self._timeout_s is None:
            return None
        if self._deadline_s is None:
            self._deadline_s = now_s + self._timeout_s
        return max(0.0, self._deadline_s - now_s)

    def request(self) -> Request:
        """What to send next."""
        origin = self._origin
        if not self.run_id and isinstance(origin, chat_service_pb2.ChatRequest):
            return origin
        request: run_service_pb2.GetRunRequest | run_service_pb2.WatchRunRequest
        if self._settling:
            request = run_service_pb2.GetRunRequest(run_id=self.run_id)
        else:
            request = run_service_pb2.WatchRunRequest(run_id=self.run_id, after_sequence=self.last_sequence)
        request.include_reasoning = origin.include_reasoning
        if origin.HasField("reasoning_only_fallback"):
            request.reasoning_only_fallback = origin.reasoning_only_fallback
        return request

    def feed(self, data: event_pb2.ChatEvent) -> Event | None:
        """The event to show for what has come; None for what the caller has, or need not see."""
        if data.sequence:
            if data.sequence <= self.last_sequence:
                return None
            self.last_sequence = data.sequence
            self._progressed()
        event = from_proto(data)
        match event:
            case Start():
                self.run_id = event.run_id
            case Heartbeat():
                # It counts what was filtered out, too: nothing before it needs to come again.
                self.last_sequence = max(self.last_sequence, event.last_sequence)
                self._progressed()
                return event if self._heartbeats else None
            case Warning(code="RECONNECT" | "CLOSING", sequence=0):
                return None  # what follows is a broken stream, and resuming is our business
            case Complete() | Error():
                self.ended = True
        return event

    def settle(self, run: run_service_pb2.Run) -> Terminal:
        """The terminal event made from GetRun's answer. Raises UnavailableError when the run is not settled yet."""
        self._settling = False
        if run.HasField("complete"):
            self.ended = True
            return complete_from_proto(run.complete, run.last_sequence)
        if run.HasField("error"):
            self.ended = True
            return error_from_proto(run.error, run.last_sequence)
        raise UnavailableError("the run's log is shorter than what it delivered", code="UNAVAILABLE", retryable=True)

    def broke(self, error: ThinkaloudError | None, *, now_s: float, jitter: float, renewed: bool = False) -> float:
        """Seconds to wait before the next request, after a stream ended without a terminal event.

        `error` is its status, or None for an end without one; `jitter` is a random number from 0 to 1; `renewed` says
        that the caller's token had expired and the next request brings another. Raises what the caller must be told:
        the error itself, or that patience or the deadline has run out.
        """
        error = error or ConnectionLostError("the stream ended before the run did", code="UNAVAILABLE", retryable=True)
        if self._deadline_s is not None and now_s >= self._deadline_s:
            raise self._located(DeadlineExceededError("timeout_s has passed", code="DEADLINE_EXCEEDED")) from error
        # Once: a new token that has expired too is a clock that is wrong.
        if not (renewed and self._attempts == 0) and not self._resumable(error):
            self._gave_up = not isinstance(error, DeadlineExceededError)
            raise self._located(error)
        if self._broken_since_s is None:
            self._broken_since_s = now_s
        patience_s = self._patience.resume_s if self.run_id else self._patience.start_s
        left_s = self._broken_since_s + patience_s - now_s
        hint_s = error.retry_after_s or 0.0
        if left_s <= 0 or hint_s > left_s:
            self._gave_up = True
            raise self._located(error)
        delay_s = hint_s + jitter * min(DELAY_MAX_S, DELAY_FIRST_S * 2.0 ** min(self._attempts, 16))
        self._attempts += 1
        if self._deadline_s is not None:
            left_s = min(left_s, self._deadline_s - now_s)
        return min(delay_s, left_s)

    def _resumable(self, error: ThinkaloudError) -> bool:
        if isinstance(error, UnavailableError):
            return True
        if not self.run_id or isinstance(error, DeadlineExceededError):
            return False
        # A log shorter than what this very cursor was given, not than what the caller claims to have.
        self._settling = error.code == "SEQUENCE_AHEAD" and self.last_sequence > self._first_sequence
        return self._settling or error.retryable

    def _progressed(self) -> None:
        self._broken_since_s = None
        self._attempts = 0

    def _located(self, error: ThinkaloudError) -> ThinkaloudError:
        error.run_id = self.run_id
        error.last_sequence = self.last_sequence
        return error


def silent(silence_s: float) -> ThinkaloudError:
    """The server sent not even a heartbeat: the connection counts as broken."""
    return ConnectionLostError(f"the server was silent for {silence_s:g} s", code="UNAVAILABLE", retryable=True)


def stream_closed() -> ThinkaloudError:
    """Somebody closed the stream or its client while it was being read."""
    return ThinkaloudError("the stream was closed before its end", code="CANCELLED")
