"""[chaos] on the whole server: each fault by header, over real sockets, with the code and the time it must have."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest

from fakes.chat_wire import chat_reply
from fakes.failing import Failed, failed_chat
from fakes.provider import AFTER_HEAD, FakeProvider, Gate
from fakes.rpc import collect
from fakes.stubs import Stubs, stubs
from fakes.whole import whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.app.config_load import ConfigError

TEXT = "it is three hundred and ninety one, which is seventeen times twenty three"
TIMEOUTS = {"connect_s": 2.0, "first_byte_s": 0.6, "silence_s": 0.6, "total_s": 1.5}
BY_HEADER = {"enabled": True, "by_header": True}
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


@dataclass(frozen=True)
class House:
    """The server with one provider, and a caller."""

    provider: FakeProvider
    caller: Stubs

    async def ask(self, fault: str = "", model: str = "local/m") -> Any:
        metadata = (("x-thinkaloud-fault", fault),) if fault else ()
        request = pb.SendMessageRequest(request=chat(model))
        return (await self.caller.chat.SendMessage(request, metadata=metadata)).complete

    async def fail(self, fault: str) -> Failed:
        return await failed_chat(self.caller, chat(), metadata=(("x-thinkaloud-fault", fault),))


def chat(model: str = "local/m") -> pb.ChatRequest:
    return pb.ChatRequest(text="go", model=model)


@asynccontextmanager
async def housed(data_dir: Path, **chaos: Any) -> AsyncIterator[House]:
    async with FakeProvider(chat_reply(TEXT)) as provider:
        section = {"base_url": provider.base_url, "models": ["m"], "timeouts": TIMEOUTS}
        async with whole_server(data_dir, {"local": section}, chaos=chaos) as server, stubs(server.address) as caller:
            yield House(provider, caller)
        await provider.wait_for(lambda each: not each.open_connections)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with housed(tmp_path, **BY_HEADER) as found:
        yield found


@dataclass(frozen=True)
class Outcome:
    """What becomes of a fault; `least_s` and `most_s` bound how long that takes."""

    reason: str
    code: grpc.StatusCode = grpc.StatusCode.ABORTED
    asked: int = 1
    partial: bool = False
    retry_after_s: float | None = None
    words: str = ""
    least_s: float = 0.0
    most_s: float = 1.0


# A frame of the fake's stream is about 150 bytes, and its first one says nothing.
FAULTS = {
    "latency;seconds=9": Outcome("UPSTREAM_TIMEOUT", words="0.6 s", least_s=0.6, most_s=1.4),
    "stall": Outcome("UPSTREAM_TIMEOUT", words="0.6 s", least_s=0.6, most_s=1.4),
    "stall;after_frames=0": Outcome("UPSTREAM_TIMEOUT", words="nothing more", least_s=0.6, most_s=1.4),
    "stall;after_frames=4": Outcome("UPSTREAM_TIMEOUT", partial=True, words="0.6 s", least_s=0.6, most_s=1.4),
    "reset": Outcome("UPSTREAM_ERROR", words="without an answer"),
    "reset;after_bytes=700": Outcome("UPSTREAM_TRUNCATED", partial=True, words="broke"),
    "reset;after_frames=3": Outcome("UPSTREAM_TRUNCATED", partial=True, words="broke"),
    "reset;after_tokens=1": Outcome("UPSTREAM_TRUNCATED", words="broke"),
    "garbage": Outcome("UPSTREAM_PROTOCOL_ERROR", words="not JSON"),
    "garbage;after_frames=3": Outcome("UPSTREAM_PROTOCOL_ERROR", partial=True),
    "garbage;after_bytes=701": Outcome("UPSTREAM_PROTOCOL_ERROR", partial=True),
    "truncated": Outcome("UPSTREAM_TRUNCATED", partial=True),
    "truncated;after_bytes=0": Outcome("UPSTREAM_TRUNCATED"),
    "status": Outcome("UPSTREAM_RATE_LIMITED", asked=3, retry_after_s=1.0, words="on purpose"),
    "status;status=500;body=": Outcome("UPSTREAM_ERROR", asked=3, words="500"),
    "status;status=429;retry_after_s=30": Outcome("UPSTREAM_RATE_LIMITED", retry_after_s=30.0),
    'status;status=401;body={"error": {"message": "who are you; what?"}}': Outcome(
        "UPSTREAM_AUTH", PRECONDITION, words="who are you; what?"
    ),
    "slow_bytes;bytes_per_s=400": Outcome("UPSTREAM_TIMEOUT", partial=True, words="1.5 s", least_s=1.5, most_s=2.4),
    "never_ending": Outcome("UPSTREAM_TIMEOUT", partial=True, words="1.5 s", least_s=1.5, most_s=2.4),
}


@pytest.mark.parametrize(("fault", "outcome"), FAULTS.items(), ids=FAULTS)
async def test_a_fault_has_the_code_and_the_time_that_it_must_have(house: House, fault: str, outcome: Outcome) -> None:
    began = time.monotonic()
    failed = await house.fail(fault)
    took = time.monotonic() - began
    assert (failed.status.reason, failed.status.code) == (outcome.reason, outcome.code)
    assert outcome.words in failed.error.message
    assert failed.error.partial == outcome.partial
    assert failed.status.retry_after_s == outcome.retry_after_s
    said = "".join(event.token.token for event in failed.events)
    assert bool(said) == outcome.partial
    assert TEXT.startswith(said) or fault.startswith("never_ending")
    assert len(house.provider.requests) == outcome.asked
    assert outcome.least_s <= took <= outcome.most_s + 0.3 * outcome.asked
    await house.provider.wait_for(lambda each: not each.busy_connections)
    assert (await house.ask()).response == TEXT, "the next request works"


@pytest.mark.parametrize(
    ("fault", "least_s"),
    [
        ("latency;seconds=0.3", 0.3),
        ("stall;seconds=0.3", 0.3),
        ("stall;after_frames=2;seconds=0.3", 0.3),
        ("slow_bytes;bytes_per_s=5000", 0.3),
        ("reset;after_bytes=1000000", 0.0),
        ("never_ending;after_frames=99", 0.0),
    ],
)
async def test_a_fault_that_can_be_outlived_costs_time_alone(house: House, fault: str, least_s: float) -> None:
    began = time.monotonic()
    complete = await house.ask(fault)
    assert complete.response == TEXT
    assert time.monotonic() - began >= least_s
    if fault.startswith(("latency", "stall;seconds")):
        assert complete.timing.first_byte_ms >= least_s * 1000


async def test_a_fault_of_the_first_attempts_is_outlived_by_asking_again(house: House) -> None:
    complete = await house.ask("status;status=503;attempts=2")
    assert complete.response == TEXT
    assert [attempt.status for attempt in complete.attempts] == [503, 503, 200]


async def test_a_caller_that_leaves_a_stalled_answer_closes_the_provider_s_socket_at_once(house: House) -> None:
    gate = Gate()
    house.provider.answer(chat_reply(TEXT, hold=gate, hold_at=AFTER_HEAD))
    for fault in ("stall", "stall;after_frames=0"):
        request = pb.ChatRequest(text="go", model="local/m", detach=0)
        call = house.caller.chat.Chat(request, metadata=(("x-thinkaloud-fault", fault),))
        assert (await call.read()).event.WhichOneof("event") == "start"
        await gate.reached.wait()
        connection = house.provider.connections[-1]
        await asyncio.sleep(0)
        left_at = time.monotonic()
        call.cancel()
        async with asyncio.timeout(0.4):
            await connection.left.wait()
        assert connection.left_at is not None
        assert connection.left_at - left_at < 0.4
        gate.reached.clear()


@pytest.mark.parametrize("fault", ["explode", "reset;after_bytes=x", "status;status=200"])
async def test_an_unknown_fault_is_refused_where_faults_may_be_asked_for(house: House, fault: str) -> None:
    failed = await house.fail(fault)
    assert failed.status.reason == "VALIDATION_FAILED"
    assert failed.error is None
    assert "x-thinkaloud-fault" in failed.status.message
    assert house.provider.requests == []


@pytest.mark.parametrize("chaos", [{}, {"by_header": True}, {"enabled": True, "providers": {"local": {"reset": 0.0}}}])
async def test_a_header_is_ignored_where_faults_may_not_be_asked_for(tmp_path: Path, chaos: dict[str, Any]) -> None:
    async with housed(tmp_path, **chaos) as house:
        for fault in ("reset", "explode"):
            assert (await house.ask(fault)).response == TEXT


async def test_the_demo_models_are_left_as_they_are(house: House) -> None:
    assert (await house.ask("status;status=401", "demo/plain")).response


async def test_faults_by_chance_are_as_frequent_as_they_are_likely_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draws = Random(11)
    drawn = [draws.random() for _ in range(200)]
    shares_drawn = {
        "UPSTREAM_TRUNCATED": sum(draw < 0.3 for draw in drawn),
        "complete": sum(draw >= 0.3 for draw in drawn),
    }
    caplog.set_level(logging.WARNING, "thinkaloud_server")
    shares = {"local": {"truncated;after_bytes=0": 0.3, "latency;seconds=0.001": 0.1}}
    async with housed(tmp_path, enabled=True, seed=11, providers=shares) as house:
        found: Counter[str] = Counter()
        for _ in range(200):
            responses, error = await collect(house.caller.chat.Chat(chat()))
            found[responses[-1].event.error.code if error else "complete"] += 1
        assert len(house.provider.requests) == 200
    assert found == shares_drawn
    assert abs(found["UPSTREAM_TRUNCATED"] / 200 - 0.3) < 0.06
    faults = [vars(record) for record in caplog.records if record.getMessage() == "chaos_fault"]
    assert len(faults) == sum(draw < 0.4 for draw in drawn)
    assert {fault["provider"] for fault in faults} == {"local"}
    assert {fault["fault"] for fault in faults} == {"truncated;after_bytes=0", "latency;seconds=0.001"}


async def test_faults_for_every_provider_leave_those_that_have_their_own(tmp_path: Path) -> None:
    async with FakeProvider(chat_reply(TEXT)) as provider:
        section = {"base_url": provider.base_url, "models": ["m"]}
        chaos = {"enabled": True, "providers": {"*": {"garbage": 1.0}, "good": {"reset": 0.0}}}
        async with (
            whole_server(tmp_path, {"good": section, "other": section}, chaos=chaos) as server,
            stubs(server.address) as caller,
        ):
            house = House(provider, caller)
            assert (await house.ask(model="good/m")).response == TEXT
            failed = await failed_chat(caller, chat("other/m"))
            assert failed.status.reason == "UPSTREAM_PROTOCOL_ERROR"


async def test_faults_for_a_provider_that_is_not_there_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no provider 'lokal'"):
        async with housed(tmp_path, enabled=True, providers={"lokal": {"reset": 0.1}}):
            pass
