"""Server-streaming methods as SSE, and as NDJSON where that is accepted.

Nothing is answered before the service's first event, so a failure until then is a plain HTTP answer with its status.
Afterwards it is the terminal `error` event; but a connection to the service that breaks ends the stream without one,
for the run goes on and the reader resumes. A caller that leaves cancels the call at once, and no more: what becomes of
the run is for its `detach` to say.
"""

from __future__ import annotations

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from starlette.types import Send

from thinkaloud_server.web import media, words
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.departure import RECONNECT, Departure
from thinkaloud_server.web.error import HttpError, event_data, invalid
from thinkaloud_server.web.frame import BOTH, EventStream, Frames, Lines, event_id
from thinkaloud_server.web.rest import Headers, encoded, respond
from thinkaloud_server.web.route import Route, RouteTable, face_of
from thinkaloud_server.web.settings import WebSettings
from thinkaloud_server.web.write import Event, event_of

# A proxy that buffers would hold the thinking back until the answer is whole.
_UNBUFFERED = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"), (b"x-content-type-options", b"nosniff"))


def frames_of(asked: Asked, query: list[tuple[str, str]], settings: WebSettings) -> Frames:
    """What the caller accepts; `heartbeat` is taken out of the query, for it is no field of a message."""
    kind = media.accepted(asked.headers.getlist("accept"), (media.EVENT_STREAM, media.LINES))
    if kind == media.LINES:
        return Lines()
    said = [value for name, value in query if name == words.HEARTBEAT]
    query[:] = [item for item in query if item[0] != words.HEARTBEAT]
    return EventStream(said[-1] if said else BOTH, settings.retry_ms)


def begun_or_resumed(
    asked: Asked, route: Route, message: Message, key: str, table: RouteTable
) -> tuple[MethodDescriptor, Message]:
    """The call that answers: with a Last-Event-ID that of the method which resumes, else the route's own.

    A GET that begins something needs an idempotency key: EventSource repeats it by itself, and before its first `id:`
    nothing else tells the repetition from a second question.
    """
    last = asked.headers.get("last-event-id")
    resume = face_of(route.method).resume
    if last and resume:
        method = table.methods[resume]
        return method, resumed(GetMessageClass(method.input_type)(), message, *event_id(last))
    if route.verb == "GET" and not key and words.has(route.method.input_type, words.KEY):
        raise invalid(words.KEY, "is needed with GET, which browsers repeat by themselves")
    return route.method, message


def resumed(target: Message, first: Message, run_id: str, sequence: int) -> Message:
    """The request that goes on: after this event of this run, the rest as the first request had it."""
    for field, value in first.ListFields():
        same = words.field_of(target.DESCRIPTOR, field.name)
        if same is None or same.type != field.type or same.is_repeated or same.message_type is not field.message_type:
            continue
        if field.message_type is None:
            setattr(target, field.name, value)
        else:
            getattr(target, field.name).CopyFrom(value)
    if getattr(target, words.RUN) not in ("", run_id):
        raise invalid("last-event-id", "is of another run", "SEQUENCE_INVALID")
    setattr(target, words.RUN, run_id)
    setattr(target, words.AFTER, sequence)
    return target


async def stream(
    asked: Asked,
    method: MethodDescriptor,
    message: Message,
    frames: Frames,
    caller: Caller,
    send: Send,
    extra: Headers,
    departure: Departure,
) -> None:
    """Call, and write each event as it comes. Raises HttpError only before the first one."""
    run_id = _one_line(getattr(message, words.RUN)) if words.has(message.DESCRIPTOR, words.RUN) else ""
    last: Event | None = None
    said = False
    told_ahead: Headers = []
    begun = False

    async def tell() -> None:
        """From the task of the departure: an answer that has begun takes a frame between any two of its own."""
        if begun and (last is None or last.case not in words.TERMINAL):
            await send({"type": "http.response.body", "body": frames.frame(RECONNECT, run_id), "more_body": True})

    try:
        with departure.concerns(tell):
            async with caller.stream(method, message, asked.metadata()) as messages:
                async for each in messages:
                    event = event_of(each)
                    if event.run_id and event.run_id != run_id:
                        run_id = _one_line(event.run_id)
                    written = frames.frame(event, run_id)
                    if last is None:
                        told_ahead = await messages.headers()
                        await send(_start(frames, [*extra, *told_ahead]))
                        begun = True
                        written = frames.opening() + written
                        if departure.begun:
                            written += frames.frame(RECONNECT, run_id)
                    await send({"type": "http.response.body", "body": written, "more_body": True})
                    said = said or event.sequence > 1
                    last = event
                if last is None:
                    told_ahead = await messages.headers()
    except HttpError as error:
        if last is None:
            raise
        if last.case != words.ERROR and not error.lost:
            told = Event(words.ERROR, event_data(error, asked.request_id, partial=said), 0, run_id)
            await send({"type": "http.response.body", "body": frames.frame(told, run_id), "more_body": True})
    if last is None:
        # Nothing is left to be told: 204 is what makes EventSource stop coming back.
        await respond(send, 204, b"", "", [*extra, *told_ahead])
    else:
        await send({"type": "http.response.body", "body": b""})


def _start(frames: Frames, extra: Headers) -> dict[str, object]:
    kind = frames.kind if frames.kind != media.EVENT_STREAM else f"{media.EVENT_STREAM}; charset=utf-8"
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", kind.encode()), *encoded(extra), *_UNBUFFERED],
    }


def _one_line(run_id: str) -> str:
    """The run, or "" for what would end its line: then the events go without an id."""
    return run_id if run_id.isprintable() else ""
