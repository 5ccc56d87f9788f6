"""The table of known models: what it adds to a listing, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from thinkaloud_server.core.request import Effort, ModelInfo, ModelRequest, Price, ReasoningControl
from thinkaloud_server.providers.known import KNOWN, with_known
from thinkaloud_server.providers.reasoning import reasoning_fields, weakest_first
from thinkaloud_server.providers.table import vendor_named

EVERY = [(vendor, row) for vendor, rows in KNOWN.items() for row in rows]


def named(name: str, **facts: object) -> ModelInfo:
    return replace(ModelInfo(name, "mine"), **facts)  # type: ignore[arg-type]  # ModelInfo's own fields


def test_a_bare_name_gets_everything_that_is_known() -> None:
    found = with_known("openai", named("gpt-5-mini"))
    assert (found.id, found.context_length, found.max_output_tokens) == ("mine/gpt-5-mini", 400_000, 128_000)
    assert (found.reasoning, found.efforts, found.default_effort) == (
        "mandatory",
        ("minimal", "low", "medium", "high"),
        "medium",
    )
    assert (found.vision, found.tools) == (True, True)
    assert found.price is not None
    assert (found.price.input, found.price.output, found.price.cached) == pytest.approx((0.25e-6, 2e-6, 0.025e-6))


@pytest.mark.parametrize("name", ["gpt-5-mini-2025-08-07", "GPT-5-mini", "gpt-5-mini-latest"])
def test_a_dated_name_is_its_model(name: str) -> None:
    assert with_known("openai", named(name)).context_length == 400_000
    assert with_known("openai", named(name)).name == name


@pytest.mark.parametrize("name", ["gpt-5-minimal", "gpt-5-mini-audio", "my-gpt-5", "gpt", ""])
def test_a_name_that_is_only_alike_is_nobody(name: str) -> None:
    assert with_known("openai", named(name)) == named(name)


def test_a_name_means_nothing_at_another_vendor() -> None:
    assert with_known("openrouter", named("gpt-5")) == named("gpt-5")
    assert with_known("", named("gpt-5")) == named("gpt-5")


def test_a_listing_wins_field_by_field() -> None:
    price = Price(1.0, 2.0)
    listed = named("gpt-5", context_length=7, efforts=("low",), price=price)
    found = with_known("openai", listed)
    assert (found.context_length, found.efforts, found.price) == (7, ("low",), price)
    assert found.default_effort == ""
    assert (found.max_output_tokens, found.reasoning) == (128_000, "mandatory")


def test_efforts_do_not_stand_beside_another_word_about_reasoning() -> None:
    found = with_known("openai", named("gpt-5", reasoning="none"))
    assert (found.reasoning, found.efforts, found.default_effort) == ("none", (), "")


def test_azure_serves_openais_models() -> None:
    assert with_known("azure", named("gpt-4.1")).price == with_known("openai", named("gpt-4.1")).price is not None


def test_a_price_that_holds_for_shorter_prompts_says_so() -> None:
    price = with_known("anthropic", named("claude-haiku-5-5")).price
    assert price is not None
    assert price.prompt_tokens_max == 100_000


@pytest.mark.parametrize("vendor", KNOWN)
def test_a_name_stands_once(vendor: str) -> None:
    names = [row.name for row in KNOWN[vendor]]
    assert len(names) == len(set(names))
    assert names == [name.lower() for name in names]


@pytest.mark.parametrize(("vendor", "row"), EVERY, ids=[f"{vendor}/{row.name}" for vendor, row in EVERY])
def test_a_row_makes_sense(vendor: str, row: ModelInfo) -> None:
    assert row.efforts == weakest_first(row.efforts)
    assert row.default_effort in ("", *row.efforts)
    assert row.reasoning in ("optional", "mandatory") or not row.efforts
    # What can be switched off by an effort is not mandatory.
    assert row.reasoning != "mandatory" or "none" not in row.efforts
    if row.price is not None:
        # Dollars a token: a slip of the unit is a factor of a million.
        assert 1e-9 < row.price.input <= row.price.output < 1e-3
        assert row.price.cached is None or row.price.cached < row.price.input


@pytest.mark.parametrize(
    ("vendor", "model", "effort", "fields", "noted"),
    [
        ("openai", "gpt-5", "none", {"reasoning_effort": "minimal"}, True),
        ("openai", "gpt-5", "max", {"reasoning_effort": "high"}, False),
        ("openai", "gpt-5.1", "none", {"reasoning_effort": "none"}, False),
        ("openai", "gpt-5.1", "max", {"reasoning_effort": "high"}, False),
        ("openai", "gpt-5.2", "max", {"reasoning_effort": "xhigh"}, False),
        ("openai", "gpt-5-pro", "low", {"reasoning_effort": "high"}, True),
        ("openai", "o4-mini", "none", {"reasoning_effort": "low"}, True),
        ("openai", "gpt-4.1", "high", {}, True),
        ("openai", "gpt-4.1", "none", {}, False),
        ("xai", "grok-4.5", "none", {"reasoning_effort": "low"}, True),
        ("deepseek", "deepseek-v4-pro", "low", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, True),
        ("deepseek", "deepseek-v4-pro", "none", {"thinking": {"type": "disabled"}}, False),
        ("cerebras", "gpt-oss-120b", "none", {"reasoning_effort": "low"}, True),
        ("openai", "gpt-99", "high", {"reasoning_effort": "high"}, False),
    ],
)
def test_what_is_known_clamps_the_reasoning_control(
    vendor: str, model: str, effort: Effort, fields: dict[str, object], noted: bool
) -> None:
    info = with_known(vendor, named(model))
    request = ModelRequest(model, (), reasoning=ReasoningControl(effort=effort), info=info)
    told = reasoning_fields(vendor_named(vendor, "openai-chat"), request)
    assert (told.fields, bool(told.notes)) == (fields, noted)
