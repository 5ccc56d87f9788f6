"""An answer in each dialect, from frames that a test may spoil: text and arguments go in as the bytes that they are.

Every dialect that is registered must be here: tests/unit/test_formats.py sees to that.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TEXT = "it is 391"


@dataclass(frozen=True)
class Format:
    """The frames of an answer: `begin`, any of `thought`, `said` and `called`, then `end(tools)`.

    `thought` and `said` take the inside of a JSON string; `called` takes arguments as text, and `objects` is True where
    the format has them as a JSON value instead. `more` of `begin` goes into the first object, which must survive it.
    """

    content_type: str
    begin: Callable[[bytes], bytes]
    thought: Callable[[bytes], bytes]
    said: Callable[[bytes], bytes]
    called: Callable[[str], bytes]
    end: Callable[[bool], bytes]
    objects: bool = False

    def answer(
        self, text: str = TEXT, *, reasoning: str = "", more: bytes = b"", arguments: str | None = None
    ) -> bytes:
        """A whole answer."""
        return b"".join(
            (
                self.begin(more),
                self.thought(_inside(reasoning)) if reasoning else b"",
                self.said(_inside(text)) if text else b"",
                b"" if arguments is None else self.called(arguments),
                self.end(arguments is not None),
            )
        )


def _inside(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()


def _data(value: bytes) -> bytes:
    return b"data: " + value + b"\n\n"


def _named(name: bytes, value: bytes) -> bytes:
    return b"event: " + name + b"\ndata: " + value + b"\n\n"


def _typed(name: bytes, more: bytes) -> bytes:
    return _named(name, b'{"type":"' + name + b'"' + (b"," + more if more else b"") + b"}")


def _line(value: bytes) -> bytes:
    return value + b"\n"


def _text(value: str) -> bytes:
    return json.dumps(value).encode()


def _chat(delta: bytes, finish: bytes = b"null", more: bytes = b"") -> bytes:
    return _data(
        b'{"id":"c","model":"m",'
        + more
        + b'"choices":[{"index":0,"delta":'
        + delta
        + b',"finish_reason":'
        + finish
        + b"}]}"
    )


_CHAT = Format(
    "text/event-stream",
    lambda more: _chat(b'{"role":"assistant","content":""}', more=more),
    lambda text: _chat(b'{"reasoning_content":"' + text + b'"}'),
    lambda text: _chat(b'{"content":"' + text + b'"}'),
    lambda arguments: _chat(
        b'{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":'
        + _text(arguments)
        + b"}}]}"
    ),
    lambda tools: _chat(b"{}", b'"tool_calls"' if tools else b'"stop"') + b"data: [DONE]\n\n",
)


def _responses_call(arguments: str) -> bytes:
    item = b'{"type":"function_call","id":"fc","call_id":"c1","name":"f","arguments":%b,"status":"%b"}'
    where = b'"output_index":2,"item_id":"fc",'
    return (
        _typed(b"response.output_item.added", b'"output_index":2,"item":' + item % (b'""', b"in_progress"))
        + _typed(b"response.function_call_arguments.delta", where + b'"delta":' + _text(arguments))
        + _typed(b"response.function_call_arguments.done", where + b'"arguments":' + _text(arguments))
        + _typed(b"response.output_item.done", b'"output_index":2,"item":' + item % (_text(arguments), b"completed"))
    )


_RESPONSES = Format(
    "text/event-stream",
    lambda more: _typed(
        b"response.created", more + b'"response":{"id":"r","model":"m","status":"in_progress","output":[]}'
    ),
    lambda text: _typed(
        b"response.reasoning_summary_text.delta",
        b'"item_id":"rs","output_index":0,"summary_index":0,"delta":"' + text + b'"',
    ),
    lambda text: _typed(
        b"response.output_text.delta", b'"item_id":"ms","output_index":1,"content_index":0,"delta":"' + text + b'"'
    ),
    _responses_call,
    lambda tools: _typed(
        b"response.completed",
        b'"response":{"id":"r","model":"m","status":"completed","usage":{"input_tokens":1,"output_tokens":2}}',
    ),
)


def _block(index: bytes, start: bytes, delta: bytes) -> bytes:
    where = b'"index":' + index
    return (
        _typed(b"content_block_start", where + b',"content_block":' + start)
        + _typed(b"content_block_delta", where + b',"delta":' + delta)
        + _typed(b"content_block_stop", where)
    )


_ANTHROPIC = Format(
    "text/event-stream",
    lambda more: _typed(
        b"message_start",
        more
        + b'"message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],'
        + b'"usage":{"input_tokens":1,"output_tokens":1}}',
    ),
    lambda text: _block(
        b"0",
        b'{"type":"thinking","thinking":"","signature":""}',
        b'{"type":"thinking_delta","thinking":"' + text + b'"}',
    ),
    lambda text: _block(b"1", b'{"type":"text","text":""}', b'{"type":"text_delta","text":"' + text + b'"}'),
    lambda arguments: _block(
        b"2",
        b'{"type":"tool_use","id":"c1","name":"f","input":{}}',
        b'{"type":"input_json_delta","partial_json":' + _text(arguments) + b"}",
    ),
    lambda tools: (
        _typed(
            b"message_delta",
            b'"delta":{"stop_reason":"' + (b"tool_use" if tools else b"end_turn") + b'"},"usage":{"output_tokens":2}',
        )
        + _typed(b"message_stop", b"")
    ),
)


def _gemini(part: bytes, more: bytes = b"", finish: bytes = b"") -> bytes:
    end = b',"finishReason":"' + finish + b'"' if finish else b""
    return (
        b"data: {"
        + more
        + b'"candidates":[{"content":{"role":"model","parts":['
        + part
        + b"]}"
        + end
        + b'}],"modelVersion":"m","usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}\r\n\r\n'
    )


_GEMINI = Format(
    "text/event-stream",
    lambda more: _gemini(b"", more),
    lambda text: _gemini(b'{"thought":true,"text":"' + text + b'"}'),
    lambda text: _gemini(b'{"text":"' + text + b'"}'),
    lambda arguments: _gemini(b'{"functionCall":{"name":"f","args":' + arguments.encode() + b"}}"),
    lambda tools: _gemini(b'{"text":""}', finish=b"STOP"),
    objects=True,
)


def _ollama(message: bytes, more: bytes = b"", done: bytes = b'"done":false') -> bytes:
    return _line(
        b"{" + more + b'"model":"m","created_at":"x","message":{"role":"assistant",' + message + b"}," + done + b"}"
    )


_OLLAMA = Format(
    "application/x-ndjson",
    lambda more: _ollama(b'"content":""', more),
    lambda text: _ollama(b'"content":"","thinking":"' + text + b'"'),
    lambda text: _ollama(b'"content":"' + text + b'"'),
    lambda arguments: _ollama(
        b'"content":"","tool_calls":[{"function":{"name":"f","arguments":' + arguments.encode() + b"}}]"
    ),
    lambda tools: _ollama(
        b'"content":""', done=b'"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":2'
    ),
    objects=True,
)


def _content(index: bytes, kind: bytes, text: bytes) -> bytes:
    return (
        _typed(
            b"content-start",
            b'"index":%b,"delta":{"message":{"content":{"type":"%b","%b":""}}}' % (index, kind, kind),
        )
        + _typed(b"content-delta", b'"index":%b,"delta":{"message":{"content":{"%b":"%b"}}}' % (index, kind, text))
        + _typed(b"content-end", b'"index":' + index)
    )


_COHERE = Format(
    "text/event-stream",
    lambda more: _typed(
        b"message-start", more + b'"id":"m","delta":{"message":{"role":"assistant","content":[],"tool_calls":[]}}'
    ),
    lambda text: _content(b"0", b"thinking", text),
    lambda text: _content(b"1", b"text", text),
    lambda arguments: (
        _typed(
            b"tool-call-start",
            b'"index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":'
            b'{"name":"f","arguments":""}}}}',
        )
        + _typed(
            b"tool-call-delta",
            b'"index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":' + _text(arguments) + b"}}}}",
        )
        + _typed(b"tool-call-end", b'"index":0')
    ),
    lambda tools: (
        _typed(
            b"message-end",
            b'"delta":{"finish_reason":"'
            + (b"TOOL_CALL" if tools else b"COMPLETE")
            + b'","usage":{"tokens":{"input_tokens":1,"output_tokens":2}}}',
        )
        + b"data: [DONE]\n\n"
    ),
)


def event_frame(name: str, payload: bytes, *, kind: str = "event") -> bytes:
    """One frame of Amazon's event stream: prelude, headers of strings, payload, and the two checksums."""
    fields = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(
        struct.pack(">B", len(key)) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for key, value in fields.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return start + struct.pack(">I", zlib.crc32(start))


def _bedrock(index: bytes, delta: bytes) -> bytes:
    return event_frame(
        "contentBlockDelta", b'{"contentBlockIndex":' + index + b',"delta":' + delta + b"}"
    ) + event_frame("contentBlockStop", b'{"contentBlockIndex":' + index + b"}")


_BEDROCK = Format(
    "application/vnd.amazon.eventstream",
    lambda more: event_frame("messageStart", b"{" + more + b'"role":"assistant"}'),
    lambda text: _bedrock(b"0", b'{"reasoningContent":{"text":"' + text + b'"}}'),
    lambda text: _bedrock(b"1", b'{"text":"' + text + b'"}'),
    lambda arguments: (
        event_frame("contentBlockStart", b'{"contentBlockIndex":2,"start":{"toolUse":{"name":"f","toolUseId":"c1"}}}')
        + _bedrock(b"2", b'{"toolUse":{"input":' + _text(arguments) + b"}}")
    ),
    lambda tools: (
        event_frame("messageStop", b'{"stopReason":"' + (b"tool_use" if tools else b"end_turn") + b'"}')
        + event_frame("metadata", b'{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}')
    ),
)

FORMATS: Mapping[str, Format] = {
    "openai-chat": _CHAT,
    "openai-responses": _RESPONSES,
    "anthropic-messages": _ANTHROPIC,
    "gemini": _GEMINI,
    "ollama": _OLLAMA,
    "cohere-v2": _COHERE,
    "bedrock-converse": _BEDROCK,
}


def section(dialect: str, base_url: str, key: str, **more: Any) -> dict[str, Any]:
    """[providers.NAME] of a provider that speaks this dialect."""
    return {"base_url": base_url, "dialect": dialect, "models": ["m"], "api_key": key, **more}
