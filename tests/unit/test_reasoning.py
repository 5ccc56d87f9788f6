"""One reasoning control, clamped to what the model takes, with a note where it was changed."""

from __future__ import annotations

from typing import Any

import pytest

from thinkaloud_server.core.request import EFFORTS, ModelInfo, ModelRequest, ReasoningControl
from thinkaloud_server.providers.reasoning import nearest_effort, reasoning_fields
from thinkaloud_server.providers.rows.openai_chat import VENDORS
from thinkaloud_server.providers.table import vendor_named
from thinkaloud_server.providers.vendors import Reasoning, Vendor

BUDGET = Reasoning(
    effort="think.tokens",
    words={"low": 1024, "medium": 4096, "high": 16384},
    on={"think": {"type": "on"}},
    off={"think": {"type": "off"}},
    budget="think.tokens",
    budget_min=1024,
    budget_max=32768,
    shown={"think": {"show": True}},
)
LEVELS = Reasoning(effort="level", words={effort: effort for effort in EFFORTS})
IT = Vendor("it", reasoning=LEVELS, by_form=(("budget", BUDGET),), by_model=(("-budget", BUDGET),))


def told(control: ReasoningControl | None, *, model: str = "m", info: ModelInfo | None = None, **more: Any) -> Any:
    it = reasoning_fields(IT, ModelRequest(model, (), reasoning=control, info=info, **more))
    return it.fields, list(it.notes)


def info(**known: Any) -> ModelInfo:
    return ModelInfo("m", "it", **known)


def test_the_form_is_the_listings_then_the_names_then_the_vendors() -> None:
    low = ReasoningControl("low")
    on = {"think": {"type": "on", "tokens": 1024, "show": True}}
    assert told(low) == ({"level": "low"}, [])
    assert told(low, info=info(forms=("budget",))) == (on, [])
    assert told(low, model="m-budget") == (on, [])
    assert told(low, model="m-budget", info=info(forms=("other",))) == (on, [])


def test_a_form_may_be_for_models_of_some_names_alone() -> None:
    row = Vendor("it", by_form=(("budget:-old", LEVELS), ("budget", BUDGET)), by_model=(("m", LEVELS),))
    known = info(forms=("budget",))
    assert row.reasoning_of("M-Old-1", known) is LEVELS
    assert row.reasoning_of("m-new", known) is BUDGET
    assert row.reasoning_of("m-new") is LEVELS


def test_without_a_control_only_what_makes_thoughts_readable_is_sent() -> None:
    assert told(None) == ({}, [])
    assert told(None, model="m-budget") == ({"think": {"show": True}}, [])


def test_a_plain_request_says_nothing_at_all() -> None:
    assert told(None, model="m-budget", plain=True) == ({}, [])
    assert told(ReasoningControl("high"), model="m-budget", plain=True) == ({}, [])


@pytest.mark.parametrize(
    ("asked", "taken", "sent", "noted"),
    [
        ("low", ("low", "high"), "low", False),
        ("medium", ("low", "high"), "low", True),
        ("minimal", ("low", "high"), "low", True),
        ("max", ("low", "medium", "high"), "high", False),
        ("max", ("low", "high", "xhigh"), "xhigh", False),
        ("max", ("low", "high", "xhigh", "max"), "max", False),
        ("high", ("minimal", "low"), "low", True),
        ("none", ("low", "high"), "low", True),
        ("none", ("none", "high"), "none", False),
        ("low", ("none", "high"), "high", True),
        ("high", ("none", "default"), "default", True),
        ("max", ("default",), "default", True),
    ],
)
def test_an_effort_is_clamped_to_what_the_model_takes(
    asked: Any, taken: tuple[str, ...], sent: str, noted: bool
) -> None:
    fields, notes = told(ReasoningControl(asked), info=info(efforts=taken))
    assert fields == {"level": sent}
    assert [f'"{asked}"' in note and f'"{sent}"' in note for note in notes] == [True] * noted


@pytest.mark.parametrize(
    ("vendor", "model", "asked", "taken", "sent", "noted"),
    [
        # The row says "xhigh", which is another word for what the model calls "max".
        ("openai", "gpt-5.2", "max", ("low", "medium", "high", "max"), "max", False),
        ("openai", "gpt-5.2", "max", ("low", "medium", "high"), "high", False),
        ("openai", "gpt-5.2", "minimal", ("minimal", "low"), "minimal", False),
        # The row knows on and off only; this model knows levels after all.
        ("groq", "qwen/qwen3-32b", "low", ("low", "high"), "low", False),
        ("groq", "qwen/qwen3-32b", "minimal", ("low", "high"), "low", True),
        ("groq", "qwen/qwen3-32b", "high", ("none", "default"), "default", True),
        ("mistral", "m", "low", ("low", "high", "max"), "low", False),
        ("mistral", "m", "medium", ("low", "high", "max"), "high", True),
        ("deepseek", "m", "medium", ("low", "medium", "high"), "medium", False),
    ],
)
def test_the_models_own_list_outranks_the_row(
    vendor: str, model: str, asked: Any, taken: tuple[str, ...], sent: str, noted: bool
) -> None:
    row = vendor_named(vendor, "openai-chat")
    info = ModelInfo(model, vendor, efforts=taken)
    it = reasoning_fields(row, ModelRequest(model, (), reasoning=ReasoningControl(asked), info=info))
    assert it.fields["reasoning_effort"] == sent
    assert bool(it.notes) is noted


def test_a_model_that_takes_no_word_of_ours_is_sent_none() -> None:
    fields, notes = told(ReasoningControl("low"), info=info(efforts=("none",)))
    assert (fields, len(notes)) == ({}, 1)


@pytest.mark.parametrize(
    ("tokens", "sent", "noted"), [(1024, 1024, False), (5, 1024, True), (99_999, 32768, True), (20_000, 20_000, False)]
)
def test_a_budget_is_kept_within_its_bounds(tokens: int, sent: int, noted: bool) -> None:
    fields, notes = told(ReasoningControl(max_tokens=tokens), model="m-budget")
    assert fields == {"think": {"type": "on", "tokens": sent, "show": True}}
    assert len(notes) == noted


def test_a_budget_becomes_an_effort_where_there_are_no_budgets_and_the_caller_is_told() -> None:
    fields, notes = told(ReasoningControl(max_tokens=4000))
    assert fields == {"level": "medium"}
    assert notes == ['the model takes no token budget: 4000 tokens became the effort "medium"']
    assert [nearest_effort(n) for n in (0, 1, 1024, 1025, 8192, 32768, 32769)] == [
        *("none", "low", "low", "medium", "medium", "high", "max")
    ]


def test_a_model_that_does_not_reason_is_told_nothing() -> None:
    fields, notes = told(ReasoningControl("high"), info=info(reasoning="none"))
    assert fields == {}
    assert "does not reason" in notes[0]
    assert told(ReasoningControl("none"), info=info(reasoning="none")) == ({}, [])


def test_a_model_that_always_reasons_is_never_told_to_stop() -> None:
    fields, notes = told(ReasoningControl("none"), model="m-budget", info=info(reasoning="mandatory"))
    assert fields == {"think": {"type": "on", "show": True}}
    assert "always reasons" in notes[0]
    fields, _ = told(ReasoningControl("none"), info=info(reasoning="mandatory", efforts=("low", "high")))
    assert fields == {"level": "low"}


@pytest.mark.parametrize(
    ("vendor", "model", "control", "words"),
    [
        ("openai", "o3", ReasoningControl("none"), '"low" was sent'),
        ("openai", "gpt-5.2", ReasoningControl("max"), ""),
        ("openai", "o3", ReasoningControl("max"), ""),
        ("groq", "qwen/qwen3-32b", ReasoningControl("low"), "no levels"),
        ("groq", "qwen/qwen3-32b", ReasoningControl("none"), ""),
        ("mistral", "magistral", ReasoningControl("low"), '"high" was sent'),
        ("zai", "glm-4.7", ReasoningControl("low"), "no levels"),
        ("zai", "glm-4.7", ReasoningControl("none"), ""),
        ("watsonx", "m", ReasoningControl("low"), "no reasoning control"),
        ("watsonx", "m", ReasoningControl(), ""),
        ("qwen", "m", ReasoningControl("max"), ""),
        ("openrouter", "m", ReasoningControl(max_tokens=77), ""),
        ("deepseek", "m", ReasoningControl("max"), ""),
        ("deepseek", "m", ReasoningControl("medium"), '"high" was sent'),
    ],
)
def test_the_caller_is_told_of_a_change_and_of_nothing_else(
    vendor: str, model: str, control: ReasoningControl, words: str
) -> None:
    row = vendor_named(vendor, "openai-chat")
    notes = reasoning_fields(row, ModelRequest(model, (), reasoning=control)).notes
    assert bool(notes) == bool(words)
    assert words in "".join(notes)


@pytest.mark.parametrize("row", VENDORS, ids=lambda row: row.name)
def test_writing_fields_never_changes_the_table(row: Vendor) -> None:
    for effort in EFFORTS:
        first = reasoning_fields(row, ModelRequest("m", (), reasoning=ReasoningControl(effort)))
        reasoning_fields(row, ModelRequest("m", (), reasoning=ReasoningControl("high")))
        assert reasoning_fields(row, ModelRequest("m", (), reasoning=ReasoningControl(effort))) == first


def test_a_budget_in_place_of_off_is_noted() -> None:
    row = Vendor("it", reasoning=Reasoning(effort="tokens", words={"none": 128, "low": 1024}, budget="tokens"))
    off = reasoning_fields(row, ModelRequest("m", (), reasoning=ReasoningControl("none")))
    assert off.fields == {"tokens": 128}
    assert len(off.notes) == 1
    low = reasoning_fields(row, ModelRequest("m", (), reasoning=ReasoningControl("low")))
    assert (low.fields, low.notes) == ({"tokens": 1024}, ())


def test_nothing_is_shown_of_a_model_that_is_known_not_to_think() -> None:
    assert told(None, model="m-budget", info=info(reasoning="none")) == ({}, [])
    assert told(None, model="m-budget", info=info(reasoning="optional")) == ({"think": {"show": True}}, [])
