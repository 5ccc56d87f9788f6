"""Puts tool calls together from fragments, whatever order providers send id, name and arguments in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from thinkaloud_server.core.delta import ToolCallDelta
from thinkaloud_server.core.event import Event, ToolCallEvent
from thinkaloud_server.core.message import ToolCall


@dataclass(slots=True)
class _Call:
    """One call so far. `id` is the provider's; `event_id` is the id in our events, "" before the first of them."""

    index: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    event_id: str = ""
    sent: int = 0


class ToolCallAssembler:
    """Fragments of one `index` are one call; fragments of several calls may be interleaved.

    Events carry id and name, so there are none before both are known. A provider that never gives an id gets
    `call_<index>` at the end; an id that another call has already is told apart by a number. Some providers number
    every call 0: a fragment with a name that cannot be the open call's begins another one. A call that never got a
    name cannot be made, and is dropped.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._event_ids: set[str] = set()
        self._closed: tuple[ToolCall, ...] = ()

    @property
    def closed(self) -> tuple[ToolCall, ...]:
        """The whole calls in order of beginning; empty before `end`."""
        return self._closed

    def feed(self, delta: ToolCallDelta) -> list[Event]:
        """The event of this fragment, and of what waited for it."""
        call = self._by_index.get(delta.index)
        if call is None or _begins_another(call, delta):
            call = _Call(delta.index)
            self._calls.append(call)
            self._by_index[delta.index] = call
        call.id = call.id or delta.id
        call.name = call.name or delta.name
        if delta.arguments:
            call.arguments.append(delta.arguments)
        if not (call.id and call.name) or (call.event_id and not delta.arguments):
            return []
        self._give_event_id(call)
        return [ToolCallEvent(call.event_id, call.name, arguments_delta=_unsent(call))]

    def end(self, *, cut_off: bool = False) -> list[Event]:
        """The last event of each call, with its whole arguments: `{}` where the provider sent none.

        Of an answer that was cut off nothing is made up: arguments that never came must not look like none.
        """
        events: list[Event] = []
        closed: list[ToolCall] = []
        for call in self._calls:
            if not call.name:
                continue
            self._give_event_id(call)
            whole = "".join(call.arguments)
            if not whole.strip() and not cut_off:
                call.arguments.append("{}")
                whole += "{}"
            closed.append(ToolCall(call.event_id, call.name, whole))
            events.append(
                ToolCallEvent(call.event_id, call.name, arguments_delta=_unsent(call), done=True, arguments=whole)
            )
        self._closed = tuple(closed)
        return events

    def _give_event_id(self, call: _Call) -> None:
        if call.event_id:
            return
        wanted = call.id or f"call_{call.index}"
        call.event_id = wanted
        number = 2
        while call.event_id in self._event_ids:
            call.event_id = f"{wanted}_{number}"
            number += 1
        self._event_ids.add(call.event_id)


def _unsent(call: _Call) -> str:
    """The arguments that no event has carried; they count as sent from now on."""
    arguments = "".join(call.arguments[call.sent :])
    call.sent = len(call.arguments)
    return arguments


def _begins_another(call: _Call, delta: ToolCallDelta) -> bool:
    """Whether a fragment with the open call's index is of another call. Only a first fragment has a name."""
    if not (delta.name and call.name):
        return False
    if delta.id and call.id:
        return delta.id != call.id
    if delta.name != call.name:
        return True
    return not delta.id and bool(delta.arguments) and _is_json("".join(call.arguments))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
