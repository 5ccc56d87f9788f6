"""Writing messages of Amazon's binary event stream, for tests: the other way round than core/event_stream.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from struct import pack
from zlib import crc32

Value = str | bytes | bool | int


def message(headers: Mapping[str, Value], payload: bytes = b"") -> bytes:
    """One message with these headers: texts, bytes, booleans, and integers of 32 bits."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    prelude = pack(">II", 16 + len(block) + len(payload), len(block))
    head = prelude + pack(">I", crc32(prelude))
    return head + block + payload + pack(">I", crc32(head + block + payload))


def event(name: str, payload: object, kind: str = "event") -> bytes:
    """A message as Bedrock writes it; `kind` is "event" or "exception"."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return message(headers, body)


def _header(name: str, value: Value) -> bytes:
    head = pack(">B", len(name)) + name.encode()
    match value:
        case bool():
            return head + pack(">B", 0 if value else 1)
        case int():
            return head + pack(">Bi", 4, value)
        case bytes():
            return head + pack(">BH", 6, len(value)) + value
        case str():
            return head + pack(">BH", 7, len(value.encode())) + value.encode()
