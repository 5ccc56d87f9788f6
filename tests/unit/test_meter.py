"""What a run counts for before, and without, the provider's own word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.clock import FakeClock
from fakes.keyed import key
from thinkaloud_server.core.assembler import Answer, Assembler
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.request import Tool
from thinkaloud_server.core.usage import Spent, Usage
from thinkaloud_server.engine.meter import (
    BYTES_A_TOKEN,
    IMAGE_TOKENS,
    WEIGHED_BYTES,
    Meter,
    counted,
    estimated,
    size_of,
    weight_of,
)
from thinkaloud_server.engine.quota import KeyLimits, Quotas
from thinkaloud_server.stores.memory import MemoryStore

END = (Finish("stop"), EndOfStream())
CUT = Failure(ErrorReason.UPSTREAM_TRUNCATED, "cut")


def priced(usage: Usage) -> Usage:
    return replace(usage, cost_usd=usage.input_tokens * 0.001 + usage.output_tokens * 0.01)


class Weighed:
    """A meter with the account that it writes into."""

    def __init__(self, quotas: Quotas, meter: Meter, caller: Any) -> None:
        self.meter = meter
        self._quotas = quotas
        self._caller = caller

    @classmethod
    async def of(cls, **allowance: Any) -> Weighed:
        quotas = Quotas(limits=KeyLimits(), stores=(MemoryStore(),), clock=FakeClock())
        share = await quotas.take(key(**allowance), "")
        assert share is not None
        return cls(quotas, Meter(share), key(**allowance))

    async def spent(self) -> Spent:
        found = await self._quotas.budget(self._caller)
        assert found is not None
        return found.spent


def answer_of(*deltas: Delta) -> Answer:
    assembler = Assembler(think_tags="off")
    for delta in deltas:
        assembler.feed(delta)
    assembler.end()
    return assembler.answer


@pytest.mark.parametrize(
    ("delta", "size"),
    [
        (TextDelta("four" * 100), 100),
        (ReasoningDelta("four" * 100), 100),
        (RefusalDelta("four" * 100), 100),
        (ToolCallDelta(0, "c", "look", "four" * 100), 100),
        (TextDelta("思考" * 100), 150),
        (TextDelta("\ud800" * 400), 100),
        (Finish("stop"), 0),
        (UsageReport(Usage(0, 70)), 70),
    ],
    ids=["text", "reasoning", "refusal", "call", "wide", "half a pair", "finish", "told"],
)
async def test_each_piece_counts_by_its_size(delta: Delta, size: int) -> None:
    weighed = await Weighed.of(tokens_per_day=1000)
    weighed.meter.asks(80, priced)
    weighed.meter.hears([delta])
    assert await weighed.spent() == Spent(20 + size, 0.0)


async def test_an_answer_is_weighed_now_and_then_and_a_report_at_once() -> None:
    weighed = await Weighed.of(tokens_per_day=100_000)
    weighed.meter.asks(0, priced)
    seen = []
    for _ in range(1000):
        weighed.meter.hears([TextDelta("four")])
        seen.append((await weighed.spent()).tokens)
    assert max(number - known for number, known in enumerate(seen, 1)) <= WEIGHED_BYTES // BYTES_A_TOKEN
    weighed.meter.hears([UsageReport(Usage(50, 3000))])
    assert await weighed.spent() == Spent(3050)


async def test_the_budget_is_passed_in_the_middle_of_an_answer() -> None:
    weighed = await Weighed.of(tokens_per_day=1000)
    weighed.meter.asks(400, priced)
    piece = [TextDelta("four" * 10)]
    for _ in range(90):
        weighed.meter.hears(piece)
    with pytest.raises(ChatError, match="1000 tokens"):
        weighed.meter.hears(piece * (1 + WEIGHED_BYTES // 40))


async def test_what_is_told_of_a_whole_answer_does_not_make_a_failure_of_it() -> None:
    weighed = await Weighed.of(tokens_per_day=1000)
    weighed.meter.asks(0, priced)
    weighed.meter.hears([TextDelta("391"), Finish("stop"), UsageReport(Usage(3000, 1))])
    assert await weighed.spent() == Spent(3001)


async def test_a_budget_of_money_is_passed_by_the_price_of_what_was_said() -> None:
    weighed = await Weighed.of(cost_usd_per_day=1.0)
    weighed.meter.asks(400, priced)
    weighed.meter.hears([TextDelta("four" * 90)])
    assert (await weighed.spent()).cost_usd == pytest.approx(0.1 + 0.9)
    with pytest.raises(ChatError, match="1 US dollars"):
        weighed.meter.hears([TextDelta("four" * 100)])


async def test_what_is_asked_may_be_more_than_is_left() -> None:
    weighed = await Weighed.of(tokens_per_day=1000)
    with pytest.raises(ChatError, match="1000 tokens"):
        weighed.meter.asks(4 * 1001, priced)


async def test_another_request_takes_the_place_of_the_one_before() -> None:
    weighed = await Weighed.of(tokens_per_day=1000)
    for _ in range(5):
        weighed.meter.asks(400, priced)
        weighed.meter.hears([TextDelta("four" * 200), UsageReport(Usage(300, 200))])
        assert await weighed.spent() == Spent(500)


@pytest.mark.parametrize(
    ("deltas", "unheard", "tokens"),
    [
        ((TextDelta("four" * 9), UsageReport(Usage(3, 5)), *END), False, 8),
        ((TextDelta("four" * 9), *END), False, 19),
        ((TextDelta("four" * 9), UsageReport(Usage(7, 0)), *END), False, 16),
        ((UsageReport(Usage(7, 1)), TextDelta("four" * 9)), False, 16),
        ((UsageReport(Usage(7, 90)), TextDelta("four" * 9), CUT), False, 97),
        ((ReasoningDelta("four" * 9), CUT), False, 19),
        ((ToolCallDelta(0, "c", "look", '"23456789"'), *END), False, 12),
        ((CUT,), False, 0),
        ((UsageReport(Usage(7, 0)), CUT), False, 7),
        ((), False, 0),
        ((), True, 10),
    ],
    ids=[
        *("told", "told nothing", "told what it read", "left", "cut off, told more", "cut off", "called"),
        *("refused", "refused and told", "never asked", "not waited for"),
    ],
)
def test_an_ended_run_counts_by_the_providers_word_or_by_what_is_known(
    deltas: tuple[Delta, ...], unheard: bool, tokens: int
) -> None:
    usage = counted(answer_of(*deltas), lambda: 40, unheard=unheard)
    assert Spent.of(usage).tokens == tokens


def test_an_estimate_leaves_what_was_told_and_knows_no_cost() -> None:
    told = Usage(5, 7, 3, 2, 0.5)
    assert estimated(told, asked_bytes=999, said_bytes=28) is told
    assert estimated(told, asked_bytes=999, said_bytes=40) == Usage(5, 10, 3, 2, None)


def test_everything_that_a_model_is_asked_has_its_weight() -> None:
    parts = (TextPart("12345"), ToolCall("c", "look", "123"), ToolResult("c", "1234567"))
    messages = [Message("user", parts, "思"), Message("user", (ImagePart(url="https://a/b"),))]
    tools = [Tool(name="look", description="1234", parameters="{}", strict=False)]
    assert weight_of(messages, tools) == 5 + 3 + 7 + 3 + 4 + 2 + IMAGE_TOKENS * BYTES_A_TOKEN
    assert (size_of("ascii"), size_of("é"), size_of("")) == (5, 2, 0)
