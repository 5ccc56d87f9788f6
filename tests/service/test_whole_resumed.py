"""Streams that are cut and taken up again: by curl, at fifty random bytes; and a stop that comes after that."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from fakes.chat_wire import chat_reply
from fakes.client_driver import until
from fakes.cutting_proxy import Cut, CuttingProxy
from fakes.faces import FACES, STREAM, Face, Place, heard_of
from fakes.provider import FakeProvider, Reply
from fakes.whole import Whole, whole_server

CURL = shutil.which("curl")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed")

REASONING = "let me think about seventeen times twenty three " * 6
TEXT = "the answer is three hundred and ninety one and here is why " * 12
# Paced, so that the log does not join all that is said into an event or two.
HANGS = chat_reply(TEXT, reasoning=REASONING, pace_s=0.002, ending="hang", finish=None, done=False)
ASKED = {"text": "go", "model": "fake/m", "include_reasoning": True}
BODY = ("--header", "Content-Type: application/json", "--data", json.dumps(ASKED))
RUNS, CUTS = 5, 50


@asynccontextmanager
async def whole(data_dir: Path, *replies: Reply) -> AsyncIterator[tuple[FakeProvider, Whole]]:
    async with (
        FakeProvider(*replies) as provider,
        whole_server(data_dir, {"fake": {"base_url": provider.base_url, "models": ["m"]}}) as server,
    ):
        yield provider, server


async def curl(*words: str) -> tuple[int, bytes]:
    assert CURL is not None
    quiet = ("--silent", "--no-buffer", "--noproxy", "*", "--max-time", "30")
    process = await asyncio.create_subprocess_exec(CURL, *quiet, *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out


def blocks(out: bytes) -> list[dict[str, str]]:
    """The whole blocks of an event stream; what stands after the last empty line is no event yet."""
    return [
        dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        for block in out.decode(errors="replace").split("\n\n")[:-1]
    ]


async def followed(url: str, key: str) -> list[dict[str, str]]:
    """One turn to its end, as a reader of the specification follows it: again, with the id of its last event."""
    seen: list[dict[str, str]] = []
    key = f"Idempotency-Key: {key}"
    while not seen or seen[-1]["event"] not in ("complete", "error"):
        last = next((block["id"] for block in reversed(seen) if "id" in block), "")
        again = ("--header", f"Last-Event-ID: {last}") if last else ()
        code, out = await curl(*BODY, "--header", key, *again, url)
        seen += blocks(out)
        # A connection that broke is never a success to curl, unless it did so within the head.
        assert code != 0 or not out or seen[-1]["event"] == "complete", (code, out)
    return seen


def check_whole(seen: list[dict[str, str]]) -> None:
    numbered = [block for block in seen if "id" in block]
    run_id = numbered[0]["id"].partition(":")[0]
    assert [block["id"] for block in numbered] == [f"{run_id}:{number + 1}" for number in range(len(numbered))]
    assert [block["event"] for block in numbered].count("complete") == 1
    said = {
        kind: "".join(json.loads(block["data"])["token"] for block in numbered if block["event"] == kind)
        for kind in ("reasoning", "token")
    }
    assert said == {"reasoning": REASONING, "token": TEXT}


@needs_curl
async def test_curl_that_is_cut_at_fifty_random_points_loses_and_repeats_nothing(tmp_path: Path) -> None:
    dice = random.Random(50)
    made = 0
    async with whole(tmp_path, chat_reply(TEXT, reasoning=REASONING, pace_s=0.002)) as (provider, server):
        for number in range(RUNS):
            cuts = [Cut(dice.randrange(1, 1500), hard=dice.random() < 0.7) for _ in range(CUTS // RUNS)]
            async with CuttingProxy(server.http, cuts) as proxy:
                url = f"http://{proxy.address}{STREAM}"
                seen = await followed(url, f"cut-{number}")
                check_whole(seen)
                made += proxy.cuts_made
                # There is nothing left to come back for.
                last = ("--header", f"Last-Event-ID: {seen[-1]['id']}", "--write-out", "%{http_code}")
                assert await curl(*BODY, *last, url) == (0, b"204")
        assert made == CUTS
        assert len(provider.requests) == RUNS


@needs_curl
async def test_a_stop_by_curl_reaches_a_stream_that_was_resumed(tmp_path: Path) -> None:
    async with whole(tmp_path, HANGS) as (provider, server), CuttingProxy(server.http, [Cut(1500)]) as proxy:
        url = f"http://{proxy.address}{STREAM}"
        code, out = await curl(*BODY, url)
        assert code != 0
        last = blocks(out)[-1]["id"]
        await until(lambda: server.engine.status().watchers == 0)
        resuming = asyncio.create_task(curl(*BODY, "--header", f"Last-Event-ID: {last}", url))
        await until(lambda: server.engine.status().watchers == 1)
        stop = f"http://{server.http}/api/v1/runs/{last.partition(':')[0]}/stop"
        assert (await curl("--json", "{}", stop))[0] == 0
        code, out = await resuming
        *_, ended = blocks(out)
        assert (code, ended["event"], json.loads(ended["data"])["finish_reason"]) == (0, "complete", "stopped")
        assert len(provider.requests) == 1


@pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())
@pytest.mark.parametrize("stopping", FACES.values(), ids=[f"by {name}" for name in FACES])
async def test_a_stop_from_another_connection_works_after_a_resume(tmp_path: Path, face: Face, stopping: Face) -> None:
    async with whole(tmp_path, HANGS) as (provider, server):
        place = Place(server.address, server.http)
        async with aclosing(face.turn(place, **ASKED)) as turn:
            seen = [await anext(turn) for _ in range(3)]
        await until(lambda: server.engine.status().watchers == 0)
        run_id = seen[0].data["run_id"]
        rest = face.watch(place, run_id, seen[-1].sequence, include_reasoning=True)
        resumed = asyncio.create_task(heard_of(rest))
        await until(lambda: server.engine.status().watchers == 1)
        await stopping.stop(place, run_id)
        seen += await resumed
        assert [heard.sequence for heard in seen] == list(range(1, len(seen) + 1))
        assert [heard.event for heard in seen].count("complete") == 1
        assert seen[-1].data["finish_reason"] == "stopped"
        await provider.wait_for(lambda each: each.busy_connections == 0)
