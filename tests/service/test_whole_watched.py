"""One run and a hundred watchers on four faces, who come before, during and after it: all of them are told the same."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from fakes.chat_wire import chat_reply
from fakes.client_driver import until
from fakes.faces import FACES, TERMINAL, Heard, Place, heard_of, numbered
from fakes.provider import FakeProvider, Gate
from fakes.whole import whole_server

REASONING = "let me think about seventeen times twenty three " * 8
TEXT = "the answer is three hundred and ninety one and here is why " * 16
# Of each face.
BEFORE, DURING, AFTER = 8, 12, 5


def check(heard: list[Heard], *, include_reasoning: bool) -> None:
    """A whole run, as this caller may see it."""
    assert [each.event for each in heard if each.event in TERMINAL] == ["complete"]
    assert heard[-1].event == "complete"
    sequences = [each.sequence for each in heard]
    assert sequences == sorted(set(sequences))
    assert sequences[0] == 1
    said = {
        kind: "".join(each.data["token"] for each in heard if each.event == kind) for kind in ("reasoning", "token")
    }
    assert said == {"reasoning": REASONING if include_reasoning else "", "token": TEXT}
    assert heard[-1].data["response"] == TEXT
    assert heard[-1].data.get("reasoning") == (REASONING if include_reasoning else None)
    if include_reasoning:
        assert sequences == list(range(1, len(sequences) + 1))


@pytest.mark.parametrize("include_reasoning", [True, False], ids=["with reasoning", "without"])
async def test_a_hundred_watchers_hear_the_same_whenever_they_join_and_by_whatever_face(
    tmp_path: Path, include_reasoning: bool
) -> None:
    gate = Gate()
    reply = chat_reply(TEXT, reasoning=REASONING, pace_s=0.004, hold=gate)
    faces = list(FACES.values())
    dice = random.Random(2)
    async with (
        FakeProvider(reply) as provider,
        whole_server(tmp_path, {"fake": {"base_url": provider.base_url, "models": ["m"]}}) as server,
        asyncio.TaskGroup() as group,
    ):
        place = Place(server.address, server.http)
        turn = faces[0].turn(place, text="go", model="fake/m", include_reasoning=include_reasoning, detach=-1)
        first = [await anext(turn)]
        run_id = first[0].data["run_id"]
        watching: list[asyncio.Task[list[Heard]]] = []

        def join(count: int) -> None:
            """So many more of each face, in no order."""
            for face in dice.sample(faces * count, len(faces) * count):
                stream = face.watch(place, run_id, include_reasoning=include_reasoning)
                watching.append(group.create_task(heard_of(stream)))

        join(BEFORE)
        await gate.reached.wait()
        await until(lambda: server.engine.status().watchers > len(watching), within_s=30)
        gate.open()
        # Those who come during the run do so at moments of the run, whatever the machine's pace is.
        moments = sorted(dice.sample(range(5, 60), DURING))
        async for heard in turn:
            first.append(heard)
            while moments and heard.sequence >= moments[0]:
                moments.pop(0)
                join(1)
        assert not moments
        join(AFTER)
    assert len(watching) == 100
    check(first, include_reasoning=include_reasoning)
    told = numbered(first)
    assert [numbered(each.result()) == told for each in watching] == [True] * 100
    assert len(provider.requests) == 1


async def test_who_did_not_ask_for_reasoning_misses_that_and_nothing_else(tmp_path: Path) -> None:
    reply = chat_reply(TEXT, reasoning=REASONING)
    async with (
        FakeProvider(reply) as provider,
        whole_server(tmp_path, {"fake": {"base_url": provider.base_url, "models": ["m"]}}) as server,
    ):
        place = Place(server.address, server.http)
        asked = {"text": "go", "model": "fake/m", "include_reasoning": True}
        loud = numbered(await heard_of(FACES["websocket"].turn(place, **asked)))
        check(loud, include_reasoning=True)
        seen = [each for each in loud if each.event != "reasoning"]
        for face in FACES.values():
            quiet = numbered(await heard_of(face.watch(place, loud[0].data["run_id"])))
            check(quiet, include_reasoning=False)
            assert quiet[:-1] == seen[:-1]
            without = {name: value for name, value in seen[-1].data.items() if name != "reasoning"}
            assert quiet[-1] == seen[-1]._replace(data=without)
