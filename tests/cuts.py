"""Running a stream decoder over bytes cut in many ways, and joining what it says so that the cuts do not show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random

from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    StreamDecoder,
    TextDelta,
    ToolCallDelta,
)


def decode(decoder: StreamDecoder, pieces: Iterator[bytes] | Sequence[bytes]) -> list[Delta]:
    """Everything that the decoder says of these pieces, `end` included."""
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    return [*deltas, *decoder.end()]


def at_sizes(body: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The body cut at these sizes, the rest as the last piece."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(body[start : start + size])
        start += size
    return [*pieces, body[start:]]


def byte_by_byte(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def at_random(body: bytes, seed: int) -> list[bytes]:
    """The body cut at up to 40 random places."""
    random = Random(seed)
    places = sorted(random.randrange(len(body) + 1) for _ in range(random.randint(1, 40)))
    return [body[start:stop] for start, stop in zip([0, *places], [*places, len(body)], strict=True)]


def joined(deltas: Sequence[Delta]) -> list[Delta]:
    """Neighbouring text of one kind and part as one delta, the fragments of one call likewise."""
    out: list[Delta] = []
    for delta in deltas:
        merged = _merged(out[-1], delta) if out else None
        if merged is None:
            out.append(delta)
        else:
            out[-1] = merged
    return out


def _merged(last: Delta, delta: Delta) -> Delta | None:
    match last, delta:
        case TextDelta(), TextDelta() if last.part == delta.part:
            return replace(last, text=last.text + delta.text)
        case ReasoningDelta(), ReasoningDelta() if (last.part, last.kind) == (delta.part, delta.kind):
            return replace(last, text=last.text + delta.text)
        case RefusalDelta(), RefusalDelta():
            return replace(last, text=last.text + delta.text)
        case ToolCallDelta(), ToolCallDelta() if last.index == delta.index and not (delta.id or delta.name):
            return replace(last, arguments=last.arguments + delta.arguments)
    return None


def text_of(deltas: Sequence[Delta], *kinds: type[TextDelta | ReasoningDelta | RefusalDelta]) -> str:
    """The text of all deltas of these kinds."""
    return "".join(delta.text for delta in deltas if isinstance(delta, kinds))


def check_grammar(deltas: Sequence[Delta]) -> None:
    """The grammar of core/delta.py: one end, last; at most one Finish."""
    ends = [delta for delta in deltas if isinstance(delta, EndOfStream | Failure)]
    assert len(ends) == 1, "exactly one end"
    assert deltas[-1] is ends[0], "the end is last"
    assert sum(isinstance(delta, Finish) for delta in deltas) <= 1, "at most one Finish"


def same_for_every_cut(new: Callable[[], StreamDecoder], body: bytes, *, random_cuts: int = 50) -> list[Delta]:
    """The joined deltas of the whole body, once every other way to cut it has given the same."""
    whole = decode(new(), [body])
    check_grammar(whole)
    expected = joined(whole)
    assert joined(decode(new(), byte_by_byte(body))) == expected, "byte by byte"
    for seed in range(random_cuts):
        assert joined(decode(new(), at_random(body, seed))) == expected, f"random cuts, seed {seed}"
    return expected
