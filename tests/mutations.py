"""Answers as nobody writes them: the frames of a good one changed at random, by a seed that gives the same again.

What is changed: frames go missing, come twice, change places or are cut; their `event:` line is lost or says something
else; lines end in another way; between them stand comments and empty events; and of their JSON a value is left out,
wrapped, or becomes one of another type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from struct import pack
from typing import Any
from zlib import crc32

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3.5, 2**70, -(2**70), 1e308, "", "x", "123", "\ud800x", "[DONE]"),
    *([], {}, [None], [[]], [1, "a", {}], {"a": None}, {"text": "t"}, [{"text": "t"}], {"type": "text"}, {"type": 7}),
    *({"message": "m"}, {"index": "0"}, {"content": [{"type": "output_text", "text": "z"}]}),
)
_FRAMES = (
    *(b"data:", b"data: null", b"data: []", b"data: {}", b'data: ""', b"data: 1", b"data: [{}]", b'data: "[DONE]"'),
    *(b"data: [DONE]", b'data: {"choices":null}', b"event: x", b":", b"retry: 5", b"id: 1"),
)
_EVENTS = (b"error", b"ping", b"message_stop", b"response.completed", b"content_block_delta", b"x")
_ENDS = (b"\n\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\n\n\n")
_LINES = (b"null", b"[]", b"{}", b"1", b'"x"', b"x", b"")


def mutated_events(body: bytes, random: Random) -> bytes:
    """Server-sent events."""
    frames = [frame for frame in body.replace(b"\r\n", b"\n").split(b"\n\n") if frame.strip()]
    for _ in range(random.randint(1, 4)):
        frames = _shuffled(frames, random)
        if frames:
            at = random.randrange(len(frames))
            frames[at : at + 1] = _mutated_event(frames[at], random)
    end = random.choice(_ENDS)
    body = b"".join(frame + b"\n\n" for frame in frames)
    body = body.replace(b"\n\n", end) if end[:1] == b"\n" else body.replace(b"\n", end[: len(end) // 2])
    return _cut(b"\xef\xbb\xbf" + body if random.random() < 0.1 else body, random)


def mutated_lines(body: bytes, random: Random) -> bytes:
    """JSON lines."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    for _ in range(random.randint(1, 3)):
        lines = _shuffled(lines, random)
        if lines:
            at = random.randrange(len(lines))
            lines[at] = _mutated_json(lines[at], random) if random.random() < 0.8 else random.choice(_LINES)
    return _cut(b"\n".join(lines) + b"\n", random)


def mutated_messages(body: bytes, random: Random) -> bytes:
    """Amazon's binary messages; those that are changed have right checksums."""
    frames = list(_messages(body))
    for _ in range(random.randint(1, 3)):
        frames = _shuffled(frames, random)
        if frames:
            at = random.randrange(len(frames))
            frames[at] = _mutated_message(frames[at], random)
    return _cut(b"".join(frames), random)


def _messages(body: bytes) -> Iterator[bytes]:
    """By the first four bytes of each, which are its length; what is no message is left out."""
    while 16 <= (length := int.from_bytes(body[:4], "big")) <= len(body):
        yield body[:length]
        body = body[length:]


def _mutated_message(frame: bytes, random: Random) -> bytes:
    headers = frame[12 : 12 + int.from_bytes(frame[4:8], "big")]
    payload = _mutated_json(frame[12 + len(headers) : -4], random)
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + pack(">I", crc32(prelude))
    return head + headers + payload + pack(">I", crc32(head + headers + payload))


def _shuffled(frames: list[Any], random: Random) -> list[Any]:
    frames = list(frames)
    if not frames:
        return frames
    at = random.randrange(len(frames))
    match random.randrange(5):
        case 0:
            del frames[at]
        case 1:
            frames.insert(random.randrange(len(frames) + 1), frames[at])
        case 2:
            other = random.randrange(len(frames))
            frames[at], frames[other] = frames[other], frames[at]
    return frames


def _mutated_event(frame: bytes, random: Random) -> list[bytes]:
    lines = frame.split(b"\n")
    others = [line for line in lines if not line.startswith(b"event")]
    match random.randrange(10):
        case 0:
            return [b"\n".join(others)]
        case 1:
            return [b"\n".join([b"event: " + random.choice(_EVENTS), *others])]
        case 2:
            return [frame.replace(b"data: ", b"data:")]
        case 3:
            return [b": a comment\n" + frame]
        case 4:
            return [frame[: random.randrange(len(frame) + 1)]]
        case 5:
            return [random.choice(_FRAMES), frame]
    data = (b"data: " + _mutated_json(line[5:], random) if line.startswith(b"data:") else line for line in lines)
    return [b"\n".join(data)]


def _mutated_json(text: bytes, random: Random) -> bytes:
    try:
        value = json.loads(text)
    except ValueError:
        return text[: random.randrange(len(text) + 1)]
    for _ in range(random.randint(1, 3)):
        value = _mutated(value, random.choice(list(_paths(value))), random)
    return json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from _paths(value[name], (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _paths(item, (*path, number))


def _mutated(value: Any, path: tuple[Any, ...], random: Random) -> Any:
    """A copy of the value that is another one at this path."""
    if path:
        changed: Any = dict(value) if isinstance(value, dict) else list(value)
        if len(path) == 1 and random.random() < 0.3:
            del changed[path[0]]
        else:
            changed[path[0]] = _mutated(changed[path[0]], path[1:], random)
        return changed
    return random.choice((random.choice(_VALUES), random.choice(_VALUES), [value], {"x": value}))


def _cut(body: bytes, random: Random) -> bytes:
    return body[: random.randrange(len(body) + 1)] if random.random() < 0.15 else body
