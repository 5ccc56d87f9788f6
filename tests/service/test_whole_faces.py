"""What the whole server tells on each of its streaming faces: the order of reasoning, failures, silence and its end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import pytest
from grpc import aio as grpc_aio

from fakes.chat_wire import chat_frames, chat_reply, error_reply
from fakes.faces import FACES, TERMINAL, Face, Heard, Place, heard_of, numbered
from fakes.idle_proxy import IdleProxy
from fakes.provider import FakeProvider, Reply
from fakes.whole import whole_server

# A model thinks for 40 s behind a proxy that drops what is silent for 20 s: this, and not a twentieth of each, where
# the environment asks for it.
SCALE = 1.0 if os.environ.get("THINKALOUD_TESTS_FULL_SILENCE") else 1 / 20
THINKS_S, IDLE_S, HEARTBEAT_S = 40 * SCALE, 20 * SCALE, 15 * SCALE
# How late a timeout may be told.
LATE_S = 0.5
TIMEOUTS = {"connect_s": 5.0, "first_byte_s": 1.0, "silence_s": 1.0, "total_s": 60.0}

each_face = pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())


@asynccontextmanager
async def whole(data_dir: Path, *replies: Reply, **server: Any) -> AsyncIterator[Place]:
    """A server of the demo models, and of the provider `fake` that answers with these."""
    async with FakeProvider(*replies or (chat_reply("hi"),)) as provider:
        fake = {"base_url": provider.base_url, "models": ["m"], "timeouts": TIMEOUTS}
        async with whole_server(data_dir, {"fake": fake}, server=server) as running:
            yield Place(running.address, running.http)
        await provider.wait_for(lambda each: each.busy_connections == 0)


def parts(heard: list[Heard]) -> list[str]:
    """Whether it thought or spoke, in turns, each told once."""
    return [kind for kind, _ in groupby(each.event for each in heard if each.event in ("reasoning", "token"))]


def words(heard: list[Heard], kind: str) -> str:
    return "".join(each.data["token"] for each in heard if each.event == kind)


def check_ended(heard: list[Heard]) -> Heard:
    """A whole stream; its one terminal event."""
    assert [each.event in TERMINAL for each in heard] == [False] * (len(heard) - 1) + [True]
    sequences = [each.sequence for each in numbered(heard)]
    assert sequences == sorted(set(sequences))
    assert heard[0].event == "start"
    return heard[-1]


INTERLEAVED = Reply(
    (
        *chat_frames(reasoning="before ", finish=None, usage=None, done=False),
        *chat_frames("17*23 ", finish=None, usage=None, done=False)[1:],
        *chat_frames(reasoning="between ", finish=None, usage=None, done=False)[1:],
        *chat_frames("= 391", finish=None, usage=None, done=False)[1:],
        *chat_frames(reasoning="after")[1:],
    )
)


@each_face
async def test_reasoning_before_between_and_after_tokens_keeps_its_order(tmp_path: Path, face: Face) -> None:
    async with whole(tmp_path, INTERLEAVED) as place:
        heard = await heard_of(face.turn(place, text="go", model="fake/m", include_reasoning=True))
        last = check_ended(heard)
        assert parts(heard) == ["reasoning", "token", "reasoning", "token", "reasoning"]
        assert (words(heard, "reasoning"), words(heard, "token")) == ("before between after", "17*23 = 391")
        assert (last.data["reasoning"], last.data["response"]) == ("before between after", "17*23 = 391")


@each_face
@pytest.mark.parametrize("model", ["fake/m", "demo/interleaved", "demo/reasoner", "demo/tags"])
async def test_no_reasoning_is_told_to_who_did_not_ask(tmp_path: Path, face: Face, model: str) -> None:
    async with whole(tmp_path, INTERLEAVED) as place:
        heard = await heard_of(face.turn(place, text="What is 17*23?", model=model))
        last = check_ended(heard)
        assert parts(heard) == ["token"]
        assert "reasoning" not in last.data
        assert last.data["reasoning_used"]
        assert words(heard, "token") == last.data["response"]


@each_face
@pytest.mark.parametrize(
    ("model", "code", "partial"),
    [
        ("demo/error-before", "UPSTREAM_ERROR", False),
        ("demo/error-mid", "UPSTREAM_ERROR", True),
        ("demo/truncated", "UPSTREAM_TRUNCATED", True),
        ("demo/rate-limited", "UPSTREAM_RATE_LIMITED", False),
        ("demo/empty", "EMPTY_RESPONSE", False),
    ],
)
@pytest.mark.parametrize("include_reasoning", [True, False], ids=["with reasoning", "without"])
async def test_a_model_that_fails_is_told_once_with_its_code(
    tmp_path: Path, face: Face, model: str, code: str, partial: bool, include_reasoning: bool
) -> None:
    async with whole(tmp_path) as place:
        heard = await heard_of(face.turn(place, text="17*23", model=model, include_reasoning=include_reasoning))
        last = check_ended(heard)
        assert (last.event, last.data["code"], last.data["partial"]) == ("error", code, partial)
        assert last.data["request_id"] == heard[0].data["request_id"]
        # And again to who comes later.
        again = await heard_of(face.watch(place, heard[0].data["run_id"], include_reasoning=include_reasoning))
        assert numbered(again) == numbered(heard)


BEGUN = chat_frames("so it", finish=None, usage=None, done=False)


@each_face
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error_reply(401, "no"), "UPSTREAM_AUTH"),
        (error_reply(429, "slow down", headers=(("retry-after", "30"),)), "UPSTREAM_RATE_LIMITED"),
        (Reply((), 500, "", framing="length"), "UPSTREAM_ERROR"),
        (Reply(tuple(BEGUN), ending="reset"), "UPSTREAM_TRUNCATED"),
        (Reply(tuple(BEGUN), ending="cut"), "UPSTREAM_TRUNCATED"),
        (Reply((*BEGUN, b"data: {this is not JSON}\n\n")), "UPSTREAM_PROTOCOL_ERROR"),
    ],
    ids=["401", "429", "500", "reset", "cut", "no JSON"],
)
async def test_a_provider_that_fails_is_told_once_with_its_code(
    tmp_path: Path, face: Face, reply: Reply, code: str
) -> None:
    async with whole(tmp_path, reply) as place:
        heard = await heard_of(face.turn(place, text="go", model="fake/m"))
        last = check_ended(heard)
        assert (last.event, last.data["code"]) == ("error", code)
        assert last.data["partial"] == ("token" in [each.event for each in heard])


@each_face
@pytest.mark.parametrize("pieces", [(), tuple(BEGUN)], ids=["first byte", "silence"])
async def test_a_provider_that_says_nothing_more_is_told_in_time_and_the_stream_lives_until_then(
    tmp_path: Path, face: Face, pieces: tuple[bytes, ...]
) -> None:
    async with whole(tmp_path, Reply(pieces, ending="hang"), heartbeat_s=0.2) as place:
        heard, at = [], []
        async for each in face.turn(place, text="go", model="fake/m"):
            heard.append(each)
            at.append(time.monotonic())
        last = check_ended(heard)
        assert (last.event, last.data["code"], last.data["partial"]) == ("error", "UPSTREAM_TIMEOUT", bool(pieces))
        said = max(index for index, each in enumerate(heard[:-1]) if each.sequence)
        assert 0.9 < at[-1] - at[said] < 1.0 + LATE_S
        beats = [each for each in heard[said:] if each.event == "heartbeat"]
        assert len(beats) >= 3
        assert {each.data["last_sequence"] for each in beats} == {heard[said].sequence}


async def thought_through(place: Place, face: Face) -> list[Heard]:
    """A turn that is silent for so long before it thinks, and again before it answers."""
    asked = {"text": f"think for {THINKS_S} s", "model": "demo/slow", "include_reasoning": True}
    async with (
        IdleProxy(place.grpc, IDLE_S) as grpc,
        IdleProxy(place.http, IDLE_S) as http,
    ):
        heard = await heard_of(face.turn(Place(grpc.address, http.address), **asked))
        assert (grpc.dropped, http.dropped) == (0, 0)
        return heard


async def test_a_model_that_thinks_in_silence_is_not_cut_by_a_proxy_that_drops_silence(tmp_path: Path) -> None:
    async with whole(tmp_path, heartbeat_s=HEARTBEAT_S) as place:
        began = time.monotonic()
        for heard in await asyncio.gather(*(thought_through(place, face) for face in FACES.values())):
            assert check_ended(heard).event == "complete"
            assert parts(heard) == ["reasoning", "token"]
            assert [each.event for each in heard].count("heartbeat") >= 2 * (THINKS_S // HEARTBEAT_S)
        assert time.monotonic() - began >= 2 * THINKS_S


@each_face
async def test_such_a_proxy_cuts_whoever_is_told_nothing(tmp_path: Path, face: Face) -> None:
    """Else the test above would show nothing."""
    asked = {"text": "think for 30 s", "model": "demo/slow", "detach": 0}
    async with (
        whole(tmp_path, heartbeat_s=10.0) as place,
        IdleProxy(place.grpc, 0.5) as grpc,
        IdleProxy(place.http, 0.5) as http,
    ):
        last = ""
        with suppress(grpc_aio.AioRpcError, httpx.TransportError):
            async for each in face.turn(Place(grpc.address, http.address), **asked):
                last = each.event
        assert grpc.dropped + http.dropped == 1
        assert last not in ("", *TERMINAL)
