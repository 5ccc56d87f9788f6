"""EventSource of a real browser, on a page of another origin: it comes back by itself, and stops when all is said."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.types import Receive, Scope, Send

from fakes.browser import needs_browser, opened
from fakes.chat_wire import chat_reply
from fakes.cutting_proxy import Cut, CuttingProxy
from fakes.faces import STREAM
from fakes.provider import FakeProvider, Reply, Request
from fakes.web import http_server
from fakes.whole import whole_server

pytestmark = needs_browser

REASONING = "let me think about seventeen times twenty three " * 6
TEXT = "the answer is three hundred and ninety one and here is why " * 12
# A browser waits for a second before it comes back, so streams are cut side by side. It also makes connections that it
# then has no use for, on which a cut is spent for nothing: there are some to spare.
STREAMS, CUTS, SPARE = 10, 50, 30
# No head of an answer is longer.
HEAD_BYTES = 800

# Follows every address to the moment at which EventSource gives up, and stops those that are to be stopped when they
# have come back once. The service's own event `error` and EventSource's have one name: only the former has data.
PAGE = """<!doctype html><title>watch</title><script>
const KINDS = ["start", "progress", "reasoning", "token", "warning", "complete", "error"];
function follow({ url, stop }) {
  return new Promise((done) => {
    const source = new EventSource(url);
    const seen = { events: [], opens: 0, breaks: 0 };
    source.onopen = async () => {
      seen.opens += 1;
      if (stop && seen.opens === 2) {
        const run = seen.events[0].id.split(":")[0];
        const headers = { "content-type": "application/json" };
        const answer = await fetch(stop.replace("{run}", run), { method: "POST", headers, body: "{}" });
        seen.stopped = answer.status;
      }
    };
    for (const kind of KINDS) source.addEventListener(kind, (event) => {
      if (event.data !== undefined) seen.events.push({ id: event.lastEventId, kind, data: JSON.parse(event.data) });
      else if (source.readyState === EventSource.CLOSED) done(seen);
      else seen.breaks += 1;
    });
  });
}
Promise.all(ASKED.map(follow)).then((all) => fetch("/told", { method: "POST", body: JSON.stringify(all) }));
</script>"""


class Page:
    """Serves the page, and takes what it tells."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.told: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                await send({"type": f"{(await receive())['type']}.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/told":
            self.told.set_result(json.loads(body))
        html = PAGE.replace("ASKED", json.dumps(self.asked)).encode() if scope["path"] == "/" else b""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": html})


async def seen_by_browser(
    tmp_path: Path, script: Callable[[Request], Reply], cuts: list[list[Cut]], *, stop: bool = False
) -> tuple[list[dict[str, Any]], int, int, bytes]:
    """What EventSource told of a turn through each of these proxies; the cuts made; the runs begun; the last bytes."""
    async with AsyncExitStack() as stack:
        page = Page()
        site = await stack.enter_async_context(http_server(page))
        provider = await stack.enter_async_context(FakeProvider(script=script))
        providers = {"fake": {"base_url": provider.base_url, "models": ["m"]}}
        server = await stack.enter_async_context(whole_server(tmp_path, providers, server={"http_origins": [site]}))
        tap = bytearray()
        proxies = [await stack.enter_async_context(CuttingProxy(server.http, each, tap=tap)) for each in cuts]
        for number, proxy in enumerate(proxies):
            asked = {"text": "go", "model": "fake/m", "include_reasoning": "true", "idempotency_key": f"it-{number}"}
            url = f"http://{proxy.address}{STREAM}?{urlencode(asked)}"
            page.asked.append({"url": url, "stop": f"http://{server.http}/api/v1/runs/{{run}}/stop" if stop else ""})
        async with opened(f"{site}/", tmp_path / "profile"), asyncio.timeout(50):
            told = await page.told
        return told, sum(proxy.cuts_made for proxy in proxies), len(provider.requests), bytes(tap)


def check_whole(seen: dict[str, Any]) -> None:
    """All of one run, each event once and in order, one of them terminal."""
    run_id = seen["events"][0]["data"]["run_id"]
    ids = [event["id"] for event in seen["events"]]
    assert ids == [f"{run_id}:{number + 1}" for number in range(len(ids))]
    kinds = [event["kind"] for event in seen["events"]]
    assert kinds[-1] == "complete"
    assert kinds.count("complete") + kinds.count("error") == 1


def random_cut(dice: random.Random) -> Cut:
    """Anywhere. The half of a head that ends with a FIN is a whole one to Chromium, which then misses the permission of
    CORS and gives up: there, it is an RST."""
    after_bytes = dice.randrange(1, 2500)
    return Cut(after_bytes, hard=after_bytes < HEAD_BYTES or dice.random() < 0.7)


async def test_an_event_source_that_is_cut_at_fifty_random_points_loses_and_repeats_nothing(tmp_path: Path) -> None:
    dice = random.Random(15)
    cuts = [[random_cut(dice) for _ in range((CUTS + SPARE) // STREAMS)] for _ in range(STREAMS)]
    reply = chat_reply(TEXT, reasoning=REASONING, pace_s=0.02)
    told, made, runs, tap = await seen_by_browser(tmp_path, lambda _: reply, cuts)
    assert made >= CUTS
    assert runs == STREAMS
    assert len({seen["events"][0]["data"]["run_id"] for seen in told}) == STREAMS
    for seen in told:
        check_whole(seen)
        for kind, script in (("reasoning", REASONING), ("token", TEXT)):
            assert "".join(each["data"]["token"] for each in seen["events"] if each["kind"] == kind) == script
        # It came back after its end as after a cut, and that was the end of it.
        assert seen["breaks"] >= 1
    assert tap.count(b"HTTP/1.1 204 ") >= STREAMS


async def test_a_stop_by_a_page_reaches_its_event_source_that_came_back(tmp_path: Path) -> None:
    # Paced, so that the log does not join all that is said into an event or two.
    hangs = chat_reply(TEXT, reasoning=REASONING, pace_s=0.01, ending="hang", finish=None, done=False)
    (seen,), made, runs, _ = await seen_by_browser(tmp_path, lambda _: hangs, [[Cut(1500)] * 3], stop=True)
    assert made >= 1
    assert (runs, seen["stopped"]) == (1, 200)
    check_whole(seen)
    assert seen["events"][-1]["data"]["finish_reason"] == "stopped"
