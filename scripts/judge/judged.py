"""One recorded stream judged, through its decoder in every cut and through the whole server; error bodies and listings.

Nothing here knows a stream by name: what was observed and what a format says decide (tests/observed.py), so that a set
that nobody wrote tables for is judged alike. Streams that tests/recorded.py explains pass where they differ as it says.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cuts import at_sizes, decode, joined, same_for_every_cut
from fakes.replay import House, cuts_of, replaying, reply_of
from observed import calls_of, differences, one_after_another, same_calls
from recorded import DIFFERS, Recorded
from thinkaloud_server.core.assembler import Answer, Assembler
from thinkaloud_server.core.delta import Delta
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import DIALECTS, vendor_for

RANDOM_CUTS = 10
# Byte by byte, a body costs as many calls as it has bytes.
BYTES_MAX = 4 << 20


@dataclass(frozen=True)
class Judged:
    """A stream and what is wrong with it; `explained` is the reason where it may differ from what was observed."""

    stream: Recorded
    wrong: tuple[str, ...]
    deltas: tuple[Delta, ...] = ()
    explained: str = ""

    @property
    def passed(self) -> bool:
        return not self.wrong


async def judge(streams: Sequence[Recorded]) -> AsyncIterator[Judged]:
    """These streams, which are of one dialect, over one server."""
    with tempfile.TemporaryDirectory() as data_dir:
        async with replaying(streams, Path(data_dir)) as house:
            for stream in streams:
                try:
                    yield await _judge(stream, house)
                except Exception as error:
                    yield Judged(stream, (f"{type(error).__name__}: {error}"[:300],))


async def _judge(stream: Recorded, house: House) -> Judged:
    vendor = stream.vendor()
    wrong: list[str] = []
    answers = []
    for each in stream.answers():
        new = partial(each.decoder, vendor)
        answers.append(decode(new(), [each.body]))
        if len(each.body) <= BYTES_MAX:
            expected = same_for_every_cut(new, each.body, random_cuts=RANDOM_CUTS)
            if joined(decode(new(), at_sizes(each.body, each.meta["chunk_sizes"] or []))) != expected:
                wrong.append("cut as it was recorded, it says something else")
        wrong += await _told(each, house, assembled(answers[-1]), answers[-1])
    deltas = one_after_another(answers)
    differs = differences(
        stream.dialect, stream.observed, deltas, body=stream.body, finish_optional=vendor.finish_optional
    )
    allowed, reason = DIFFERS.get(stream.name, (frozenset(), ""))
    wrong += [f"{kind}: {how}" for kind, how in differs.items() if kind not in allowed]
    return Judged(stream, tuple(wrong), tuple(deltas), reason)


def assembled(deltas: Sequence[Delta]) -> Answer:
    """The answer that these deltas make: think tags are split, parts of a summary are paragraphs."""
    assembler = Assembler()
    for delta in deltas:
        assembler.feed(delta)
    assembler.end()
    return assembler.answer


async def _told(stream: Recorded, house: House, answer: Answer, deltas: Sequence[Delta]) -> list[str]:
    """What is wrong with what Chat told of it, over HTTP and gRPC, in a few cuts."""
    wrong = []
    for name, pieces in cuts_of(stream).items():
        told = await house.chat(stream, reply_of(stream, pieces))
        if (told.reasoning, told.text) != (answer.reasoning, answer.text):
            wrong.append(f"over gRPC, {name}: other reasoning or text")
        if not same_calls(told.calls, calls_of(deltas)):
            wrong.append(f"over gRPC, {name}: other tool calls")
        if (answer.failure.reason.value if answer.failure else "") != told.end.error.code:
            wrong.append(f"over gRPC, {name}: ended with {told.end.error.code or 'success'}")
        usage = told.end.complete.usage
        counted = (answer.usage.input_tokens, answer.usage.output_tokens)
        if answer.failure is None and (usage.input_tokens, usage.output_tokens) != counted:
            wrong.append(f"over gRPC, {name}: other usage")
    return wrong


def classified(meta: dict[str, Any], body: bytes) -> str:
    """The reason that an error body gets, in the dialect of whoever answered. Raises where there is none."""
    url = meta.get("url") or ""
    vendor = vendor_for(url if url.startswith("https://") else "", meta.get("provider") or "")
    endpoint = Endpoint("it", url, vendor)
    headers = {name.lower(): str(value) for name, value in (meta.get("headers") or {}).items()}
    failure = DIALECTS[vendor.dialect].failure(endpoint, meta["status"], headers, body, reasoning_sent=True)
    if not failure.message:
        raise ValueError("it has no message")
    return failure.reason.value


def listed(name: str, body: bytes) -> tuple[str, int, int]:
    """The vendor's dialect, how many models were found in a listing, and how many are in it.

    The recorded ones hold one item and say of what it was part; other files are taken as the answer itself.
    """
    value = json.loads(body)
    url = value.get("url", "") if isinstance(value, dict) else ""
    count = -1
    if isinstance(value, dict) and "longest_item" in value:
        item = value["longest_item"]
        # Both names of the list: a dialect reads its own.
        body, count = json.dumps({"data": [item], "models": [item]}).encode(), 1
    host = url.partition("//")[2]
    vendor = vendor_for(f"https://{host}" if host else "", name)
    found = DIALECTS[vendor.dialect].models(Endpoint("it", "http://provider.example", vendor), body)
    return vendor.dialect, len(found), count
