"""Bytes that no well-meaning client sends, to the port of the HTTP face: each is refused by its code, and only once."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.abused import House, cases, check_told, filled, house
from fakes.rpc import until
from fakes.whole import whole_server


@pytest.fixture
async def abused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    with caplog.at_level(logging.INFO):
        async with house(tmp_path, caplog) as found:
            yield found


async def answer_to(address: str, sent: bytes) -> bytes:
    """All that comes back until the server closes; it may close before it has read all."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(15):
            while piece := await reader.read(65536):
                answer += piece
    except ConnectionError:
        pass  # a reset over bytes that it did not want; what it said before is here
    finally:
        writer.close()
    return answer


@pytest.mark.parametrize("case", cases("http"))
async def test_a_hostile_request_is_answered_by_its_code_and_nothing_behind_it_is_served(
    case: dict[str, Any], abused: House, caplog: pytest.LogCaptureFixture
) -> None:
    sent = "".join(filled(case["parts"])).encode("latin-1")
    began = time.perf_counter()
    answer = await answer_to(abused.whole.http, sent)
    took_ms = (time.perf_counter() - began) * 1000
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    status = int(head.split(" ", 2)[1])
    assert status in case["status"], answer
    if status >= 400:
        told = json.loads(body)["error"]
        check_told(answer.decode(), told["code"])
        assert told["code"] == case.get("code", told["code"])
    if "header" in case:
        assert case["header"] in head.lower()
    if "unsaid" in case:
        assert case["unsaid"] not in head
    if "unlogged" in case:
        await until(lambda: "rpc_completed" in caplog.text)
        assert not [each for each in caplog.records if case["unlogged"] in str(vars(each))]
    if "within_ms" in case:
        assert took_ms <= case["within_ms"]


async def test_a_hundred_clients_that_never_finish_their_request_hold_up_nobody(abused: House) -> None:
    """HT06: what they hold is a connection, and while they do every other request is served."""
    host, _, port = abused.whole.http.rpartition(":")
    slow = [await asyncio.open_connection(host, int(port)) for _ in range(100)]
    head = b"POST /api/v1/chat/message HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    for number, (_, writer) in enumerate(slow):
        writer.write(head if number % 2 else head + b"content-length: 100\r\n\r\n{")
    await abused.still_good()
    for _, writer in slow:
        writer.transport.abort()


async def test_many_names_of_models_are_no_labels_of_metrics(tmp_path: Path) -> None:
    """RX07: what a client chooses is in no series, or its next thousand choices are a thousand more."""

    async with (
        whole_server(tmp_path, server={"admin_address": "127.0.0.1:0"}) as whole,
        httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30) as client,
        httpx.AsyncClient(base_url=f"http://{whole.admin}", timeout=30) as admin,
    ):
        series = []
        for batch in range(2):
            for number in range(50):
                model = f"chosen-{batch}-{number}/x"
                refused = await client.post("/api/v1/chat/message", json={"text": "go", "model": model})
                assert refused.json()["error"]["code"] == "MODEL_NOT_FOUND"
                await client.get(f"/api/v1/chosen-{batch}-{number}")
            metrics = (await admin.get("/metrics")).text
            assert "chosen-" not in metrics
            series.append({re.sub(r" \S+$", "", line) for line in metrics.splitlines() if line[:1] not in ("#", "")})
    assert series[0] == series[1]
