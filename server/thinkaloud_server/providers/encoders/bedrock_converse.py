"""bedrock-converse: binary messages of AWS's event stream, each with its lengths, headers and two checksums.

https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html: total length, length of the headers, CRC32 of
these eight bytes; headers; payload; CRC32 of all that.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.encoding import (
    Encoding,
    Frames,
    Json,
    Name,
    arguments_of,
    dumps,
    was_cut,
    word,
)
from thinkaloud_server.providers.encoders.step import Block, Closed, Done, Event, Failed, Opened, Said, Signed

_STRING = 7


def message(headers: Iterable[tuple[str, str]], payload: bytes) -> bytes:
    """One message; every header here is a string."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + bytes([_STRING]) + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers
    )
    prelude = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack(">I", zlib.crc32(body))


def _stream(events: Iterable[Event], name: Name) -> Frames:
    yield _told("messageStart", role="assistant")
    for event in events:
        match event:
            case Pause():
                yield event
            case Opened(block) if block.kind == "call":
                start = {"toolUse": {"toolUseId": block.call_id, "name": block.name}}
                yield _told("contentBlockStart", contentBlockIndex=block.index, start=start)
            case Said(block, text):
                yield _told("contentBlockDelta", contentBlockIndex=block.index, delta=_delta(block, text))
            case Signed(block, text):
                delta = {"reasoningContent": {"signature": text}}
                yield _told("contentBlockDelta", contentBlockIndex=block.index, delta=delta)
            case Closed(block):
                yield _told("contentBlockStop", contentBlockIndex=block.index)
            case Failed(failure):
                if not was_cut(failure):
                    yield _exception(failure)
                return
            case Done(_, usage, _):
                yield _told("messageStop", stopReason=_stop(event))
                yield _told("metadata", usage=_usage(usage), metrics={"latencyMs": 1})
            case _:
                pass


def _told(kind: str, **payload: object) -> bytes:
    headers = ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"))
    return message(headers, dumps(payload))


def _exception(failure: Failure) -> bytes:
    kind = "throttlingException" if failure.status == 429 else "modelStreamErrorException"
    headers = ((":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception"))
    return message(headers, dumps({"message": failure.message}))


def _delta(block: Block, text: str) -> Json:
    match block.kind:
        case "reasoning":
            return {"reasoningContent": {"text": text}}
        case "text":
            return {"text": text}
        case "call":
            return {"toolUse": {"input": text}}


def _stop(done: Done) -> str:
    return word(done.finish.reason, "end_turn", "max_tokens", "tool_use", "content_filtered")


def _whole(done: Done, name: Name) -> Json:
    content = {"role": "assistant", "content": [_content(block) for block in done.blocks]}
    return {
        "output": {"message": content},
        "stopReason": _stop(done),
        "usage": _usage(done.usage),
        "metrics": {"latencyMs": 1},
    }


def _content(block: Block) -> Json:
    match block.kind:
        case "reasoning":
            return {"reasoningContent": {"reasoningText": {"text": block.text, "signature": block.signature}}}
        case "text":
            return {"text": block.text}
        case "call":
            use = {"toolUseId": block.call_id, "name": block.name, "input": arguments_of(block.text)}
            return {"toolUse": use}


def _usage(usage: Usage) -> Json:
    """Here input is what was not cached."""
    return {
        "inputTokens": usage.input_tokens - usage.cached_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokens": usage.cached_tokens,
    }


def _refusal(failure: Failure) -> Json:
    return {"message": failure.message}


BEDROCK_CONVERSE = Encoding("bedrock-converse", "application/vnd.amazon.eventstream", _stream, _whole, _refusal)
