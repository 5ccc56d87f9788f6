"""Decodes one answer: server-sent events, or, from servers that were asked to stream and did not, one JSON message.

Every block gets a number of its own in the order of their beginning, so that what is interleaved stays apart, also
when a second message begins in the middle of the first. That is how a fallback within the provider looks: the same
message once more is an echo; another one goes on where the first stopped.

An answer has ended well when a `stop_reason` was given: `message_stop` adds nothing to it (providers/answer.py has the
rest). Errors may stand in any place, and are looked for before anything but deltas.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.core.delta import (
    Delta,
    ReasoningDelta,
    RefusalDelta,
    ResponseInfo,
    TextDelta,
    ToolCallDelta,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.framing import SseFrame, SseFramer
from thinkaloud_server.providers.answer import FRAME_BYTES_MAX, AnswerDecoder, Classify
from thinkaloud_server.providers.anthropic_messages.block import Block, Kind, kind_of
from thinkaloud_server.providers.anthropic_messages.counts import Counts
from thinkaloud_server.providers.anthropic_messages.event import Delta as WireDelta
from thinkaloud_server.providers.anthropic_messages.event import Event, read_event, text_of
from thinkaloud_server.providers.anthropic_messages.finish import finish_of
from thinkaloud_server.providers.anthropic_messages.replay import payload_of
from thinkaloud_server.providers.error_body import read_error
from thinkaloud_server.providers.lenient import read_leniently

_LIFE_SIGNS = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})


class MessagesDecoder(AnswerDecoder[SseFrame]):
    """A StreamDecoder (core/delta.py). `classify` says what an error's body means."""

    def __init__(self, *, finish_optional: bool, classify: Classify, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        super().__init__(
            SseFramer(frame_bytes_max=frame_bytes_max), classify=classify, answer_bytes_max=frame_bytes_max
        )
        self._finish_optional = finish_optional
        self._blocks: list[Block] = []
        # The block that deltas with this wire index go to.
        self._open: dict[int, Block] = {}
        self._calls = 0
        self._counts = Counts()
        self._message = ("", "")
        # Why it stopped, as its beginning has it already: a message that was whole when it began.
        self._early_stop = ""
        self._handlers = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
        }

    def _state(self) -> str:
        return payload_of(self._blocks)

    def _frame(self, frame: SseFrame, out: list[Delta], *, whole: bool) -> None:
        data = frame.data
        try:
            event = read_event(data)
        except ValueError:
            self._no_event(frame, out, whole=whole)
            return
        if event is None:
            return
        kind = event.type
        if kind == "content_block_delta":
            if event.delta is not None:
                self._delta(event.index, event.delta, out)
            return
        kind = text_of(kind) or frame.event
        if kind == "error" or event.error or frame.event == "error":
            self._error(read_error(data), out)
        elif handler := self._handlers.get(kind):
            handler(event, out)
        elif kind == "content_block_delta" and event.delta is not None:
            self._delta(event.index, event.delta, out)
        elif kind == "message":
            # Proxies that pretend to stream send the whole answer as one event.
            self._whole(read_leniently(data), out)

    def _no_event(self, frame: SseFrame, out: list[Delta], *, whole: bool) -> None:
        data = frame.data.strip()
        if frame.event == "error":
            self._error(read_error(data), out)
        elif data == b"[DONE]":
            self._message_stop(None, out)
        elif data and whole and frame.event.lower() not in _LIFE_SIGNS:
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider sent an event that is not JSON")

    def _delta(self, index: int, delta: WireDelta, out: list[Delta]) -> None:
        kind = delta.type
        block = self._open.get(index)
        if kind == "text_delta" or kind == "thinking_delta":
            self._text(block, index, delta, out)
        elif kind == "input_json_delta":
            text = _json_of(delta.partial_json)
            if block is None:
                block = self._new("tool_use", index)
            if text and block.kind == "tool_use":
                block.input = None
                self._said = True
                out.append(ToolCallDelta(block.call, "", "", text))
        elif kind == "signature_delta" and isinstance(delta.signature, str):
            if block is None:
                block = self._new("thinking", index)
            self._said = True
            block.signature = delta.signature

    def _text(self, block: Block | None, index: int, delta: WireDelta, out: list[Delta]) -> None:
        """What a delta calls itself decides what it is, whatever its block began as."""
        kind: Kind = "text" if delta.type == "text_delta" else "thinking"
        text = delta.text if kind == "text" else delta.thinking
        if text.__class__ is not str or not text:
            return
        if block is None or block.kind != kind:
            block = self._new(kind, index)
        self._said = True
        if kind == "text":
            block.characters += len(text)
            out.append(TextDelta(text, block.part))
        else:
            block.pieces.append(text)
            out.append(ReasoningDelta(text, "raw", block.part))

    def _new(self, kind: Kind, index: int) -> Block:
        call = -1
        if kind == "tool_use":
            call, self._calls = self._calls, self._calls + 1
        block = Block(kind, len(self._blocks), call)
        self._blocks.append(block)
        self._open[index] = block
        return block

    def _message_start(self, event: Event, out: list[Delta]) -> None:
        """With tools of the provider's own an answer may stand in its beginning, with no event of a block."""
        message = event.message
        before = self._message
        self._begin_message(message, out)
        if isinstance(message, dict) and self._message != before:
            for index, content in enumerate(_blocks(message.get("content"))):
                if content.get("type") not in ("text", "thinking") or content.get("text") or content.get("thinking"):
                    self._begin_block(index, content, out)
            self._early_stop = text_of(message.get("stop_reason"))

    def _begin_message(self, message: object, out: list[Delta]) -> None:
        if not isinstance(message, dict):
            return
        told = (text_of(message.get("model")), text_of(message.get("id")))
        if told != self._message or not any(told):
            if self._message[1] != told[1]:
                self._settle(out)
                self._open.clear()
                self._counts = Counts()
            self._message = told
            out.append(ResponseInfo(*told))
        self._report(out, self._counts.add(message.get("usage")))

    def _block_start(self, event: Event, out: list[Delta]) -> None:
        if isinstance(event.content_block, dict):
            self._begin_block(event.index, event.content_block, out)

    def _begin_block(self, index: int, content: dict[str, Any], out: list[Delta]) -> None:
        kind = kind_of(content.get("type"))
        block = self._new(kind, index)
        if kind == "tool_use":
            block.id, block.input = text_of(content.get("id")), content.get("input")
            self._said = True
            out.append(ToolCallDelta(block.call, block.id, text_of(content.get("name"))))
        elif kind == "redacted_thinking":
            block.data = text_of(content.get("data"))
            self._said = True
        elif kind == "text":
            self._text(block, index, WireDelta(type="text_delta", text=content.get("text")), out)
        elif kind == "thinking":
            self._text(block, index, WireDelta(type="thinking_delta", thinking=content.get("thinking")), out)
            if isinstance(signature := content.get("signature"), str):
                block.signature = signature

    def _block_stop(self, event: Event, out: list[Delta]) -> None:
        if block := self._open.pop(event.index, None):
            self._close(block, out)

    def _close(self, block: Block, out: list[Delta]) -> None:
        if arguments := block.late_input():
            out.append(ToolCallDelta(block.call, "", "", arguments))

    def _settle(self, out: list[Delta]) -> None:
        """The ends of the blocks that nobody ended."""
        for block in self._open.values():
            self._close(block, out)

    def _message_delta(self, event: Event, out: list[Delta]) -> None:
        delta = event.delta or WireDelta()
        word = text_of(delta.stop_reason) or text_of(event.stop_reason)
        if word and not self._finished:
            self._stop(word, delta.stop_details, out)
        self._report(out, self._counts.add(event.usage or delta.usage))

    def _stop(self, word: str, details: object, out: list[Delta]) -> None:
        self._settle(out)
        explanation = text_of(details.get("explanation")) if isinstance(details, dict) else ""
        if explanation:
            out.append(RefusalDelta(explanation))
        self._finish(out, finish_of(word))

    def _message_stop(self, event: Event | None, out: list[Delta]) -> None:
        self._settle(out)
        if self._early_stop and not self._finished:
            self._stop(self._early_stop, None, out)
        self._end(out, trusted=self._finish_optional and self._said)

    def _value(self, data: bytes, out: list[Delta]) -> None:
        try:
            value = read_leniently(data)
        except ValueError:
            reason = ErrorReason.UPSTREAM_TRUNCATED if not data.endswith(b"}") else ErrorReason.UPSTREAM_PROTOCOL_ERROR
            self._fail(out, reason, "the provider's answer is not whole JSON")
            return
        is_message = isinstance(value, dict) and isinstance(value.get("content"), list | str)
        if not is_message or value.get("error"):
            error = read_error(data)
            if isinstance(value, dict) and (value.get("error") or value.get("type") == "error" or error.message):
                self._error(error, out)
            else:
                self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is no message")
            return
        self._whole(value, out)
        self._end(out, trusted=self._said)

    def _whole(self, message: Any, out: list[Delta]) -> None:
        self._begin_message({**message, "usage": None}, out)
        for index, block in enumerate(_blocks(message.get("content"))):
            self._begin_block(index, block, out)
        if word := text_of(message.get("stop_reason")):
            self._stop(word, message.get("stop_details"), out)
        else:
            self._settle(out)
        self._report(out, self._counts.add(message.get("usage")))


def _blocks(content: object) -> list[dict[str, Any]]:
    """The blocks of a message; some servers write a text for its only one."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _json_of(value: object) -> str:
    """A piece of JSON text; some servers send the whole object itself."""
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else text_of(value)
