"""The request of `gemini`: where it goes, and what of it is not the history."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provider_vectors import WEATHER, Vector, read_vectors
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelInfo, ModelRequest, ReasoningControl, ResponseFormat, Sampling, Tool
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.gemini import GEMINI
from thinkaloud_server.providers.table import vendor_for

HELLO = (Message("user", (TextPart("Hello"),)),)
STUDIO = "https://generativelanguage.googleapis.com/v1beta"
EXPRESS = "https://aiplatform.googleapis.com/v1/publishers/google"
PROJECT = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/google"


def request(base_url: str = STUDIO, model: str = "gemini-2.5-flash", **asked: Any) -> HttpRequest:
    endpoint = Endpoint("it", base_url, vendor_for(base_url, dialect="gemini"), api_key="k3y")
    return GEMINI.request(endpoint, ModelRequest(model, HELLO, **asked))


def body(**asked: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(request(**asked).body)
    return value


def thinking(model: str, control: ReasoningControl | None, **more: Any) -> tuple[Any, int]:
    """The thinking config, and how many notes came with it."""
    it = request(model=model, reasoning=control, **more)
    config = json.loads(it.body).get("generationConfig", {}).get("thinkingConfig")
    assert it.reasoning_sent is (config is not None)
    return config, len(it.adjusted)


@pytest.mark.parametrize("vector", read_vectors("gemini"), ids=lambda vector: vector.name)
def test_a_vector_is_asked_for_as_it_says(vector: Vector) -> None:
    assert json.loads(GEMINI.request(vector.endpoint, vector.request).body) == vector.sent


@pytest.mark.parametrize(
    ("base_url", "url", "key"),
    [
        (STUDIO, f"{STUDIO}/models/gemini-2.5-flash:streamGenerateContent?alt=sse", ("x-goog-api-key", "k3y")),
        (STUDIO[:-7], f"{STUDIO}/models/gemini-2.5-flash:streamGenerateContent?alt=sse", ("x-goog-api-key", "k3y")),
        (EXPRESS, f"{EXPRESS}/models/gemini-2.5-flash:streamGenerateContent?alt=sse", ("x-goog-api-key", "k3y")),
        (PROJECT, f"{PROJECT}/models/gemini-2.5-flash:streamGenerateContent?alt=sse", ("authorization", "Bearer k3y")),
        (
            PROJECT + "/",
            f"{PROJECT}/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            ("authorization", "Bearer k3y"),
        ),
    ],
)
def test_method_url_and_headers(base_url: str, url: str, key: tuple[str, str]) -> None:
    it = request(base_url)
    assert (it.method, it.url) == ("POST", url)
    assert dict(it.headers) == {"accept": "text/event-stream", "content-type": "application/json", key[0]: key[1]}


@pytest.mark.parametrize("name", ["gemini-2.5-pro", "models/gemini-2.5-pro", "publishers/google/models/gemini-2.5-pro"])
def test_a_model_may_have_the_name_that_a_listing_gives_it(name: str) -> None:
    assert request(model=name).url == f"{STUDIO}/models/gemini-2.5-pro:streamGenerateContent?alt=sse"


def test_the_least_request() -> None:
    assert body(model="gemini-2.0-flash") == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_sampling() -> None:
    sampling = Sampling(temperature=0.0, top_p=0.5, max_output_tokens=10, stop=("a", "b"), seed=7)
    assert body(model="gemini-2.0-flash", sampling=sampling)["generationConfig"] == {
        "temperature": 0.0,
        "topP": 0.5,
        "maxOutputTokens": 10,
        "stopSequences": ["a", "b"],
        "seed": 7,
    }


SCHEMA = '{"type":"object","properties":{"a":{"type":["string","null"]}},"additionalProperties":false}'


@pytest.mark.parametrize(
    ("form", "config"),
    [
        (ResponseFormat("text"), None),
        (ResponseFormat("json_object"), {"responseMimeType": "application/json"}),
        (
            ResponseFormat("json_schema", schema=SCHEMA),
            {"responseMimeType": "application/json", "responseJsonSchema": json.loads(SCHEMA)},
        ),
    ],
)
def test_the_form_of_the_answer(form: ResponseFormat, config: object) -> None:
    assert body(model="gemini-2.0-flash", response_format=form).get("generationConfig") == config


def test_tools_are_declared_with_their_schema_as_it_is() -> None:
    plain = Tool("now", "The time", "")
    it = body(tools=(replace(WEATHER, parameters=SCHEMA), plain))
    assert it["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": WEATHER.description, "parametersJsonSchema": json.loads(SCHEMA)},
                {"name": "now", "description": "The time"},
            ]
        }
    ]
    assert SCHEMA.encode() in request(tools=(replace(WEATHER, parameters=SCHEMA),)).body


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_the_choice_of_tools(choice: str, config: object) -> None:
    assert body(tools=(WEATHER,), tool_choice=choice)["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in body(tool_choice=choice)


def test_a_schema_that_is_no_object_is_refused() -> None:
    with pytest.raises(ChatError, match="JSON object"):
        request(tools=(Tool("f", "", "[1]"),))


def test_thinking_and_sampling_go_into_one_config() -> None:
    it = body(reasoning=ReasoningControl("low"), sampling=Sampling(max_output_tokens=10))
    assert it["generationConfig"] == {
        "maxOutputTokens": 10,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024},
    }


EFFORT = ReasoningControl
SHOWN = {"includeThoughts": True}
FLASH, LITE, PRO = "gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash-lite", "gemini-2.5-pro"
G3, G3PRO, G31PRO = "gemini-3-flash-preview", "gemini-3-pro-preview", "gemini-3.1-pro-preview"


@pytest.mark.parametrize(
    ("model", "control", "config", "notes"),
    [
        (FLASH, None, SHOWN, 0),
        (FLASH, EFFORT(), {**SHOWN, "thinkingBudget": -1}, 0),
        (FLASH, EFFORT("none"), {"thinkingBudget": 0}, 0),
        (FLASH, EFFORT(max_tokens=0), {"thinkingBudget": 0}, 0),
        (FLASH, EFFORT("low"), {**SHOWN, "thinkingBudget": 1024}, 0),
        (FLASH, EFFORT("medium"), {**SHOWN, "thinkingBudget": 8192}, 0),
        (FLASH, EFFORT("max"), {**SHOWN, "thinkingBudget": 24576}, 0),
        (FLASH, EFFORT(max_tokens=100), {**SHOWN, "thinkingBudget": 100}, 0),
        (FLASH, EFFORT(max_tokens=50_000), {**SHOWN, "thinkingBudget": 24576}, 1),
        (LITE, EFFORT(max_tokens=100), {**SHOWN, "thinkingBudget": 512}, 1),
        # It does not think unasked, and Vertex refuses to show thoughts that are not had.
        (LITE, None, None, 0),
        (LITE, EFFORT(), {**SHOWN, "thinkingBudget": -1}, 0),
        (LITE, EFFORT("none"), {"thinkingBudget": 0}, 0),
        (LITE, EFFORT("minimal"), {**SHOWN, "thinkingBudget": 512}, 0),
        (PRO, EFFORT("none"), {**SHOWN, "thinkingBudget": 128}, 1),
        (PRO, EFFORT(max_tokens=0), {**SHOWN, "thinkingBudget": 128}, 1),
        (PRO, EFFORT(max_tokens=1), {**SHOWN, "thinkingBudget": 128}, 1),
        (PRO, EFFORT("max"), {**SHOWN, "thinkingBudget": 32768}, 0),
        (PRO, EFFORT(), {**SHOWN, "thinkingBudget": -1}, 0),
        (G3, None, SHOWN, 0),
        (G3, EFFORT(), SHOWN, 0),
        (G3, EFFORT("high"), {**SHOWN, "thinkingLevel": "high"}, 0),
        (G3, EFFORT("medium"), {**SHOWN, "thinkingLevel": "medium"}, 0),
        (G3, EFFORT("none"), {**SHOWN, "thinkingLevel": "minimal"}, 1),
        (G3, EFFORT(max_tokens=5000), {**SHOWN, "thinkingLevel": "medium"}, 1),
        (G3PRO, EFFORT("medium"), {**SHOWN, "thinkingLevel": "low"}, 1),
        (G3PRO, EFFORT("minimal"), {**SHOWN, "thinkingLevel": "low"}, 1),
        (G31PRO, EFFORT("medium"), {**SHOWN, "thinkingLevel": "medium"}, 0),
        ("gemini-4-ultra", EFFORT("high"), {**SHOWN, "thinkingLevel": "high"}, 0),
        ("gemini-flash-latest", EFFORT("low"), {**SHOWN, "thinkingBudget": 1024}, 0),
        ("gemini-flash-latest", EFFORT("none"), {**SHOWN, "thinkingBudget": 128}, 1),
        ("gemini-flash-lite-latest", EFFORT("none"), {**SHOWN, "thinkingBudget": 512}, 1),
        ("gemini-3.7-flash", EFFORT("none"), {**SHOWN, "thinkingLevel": "low"}, 1),
        ("gemini-3.5-flash", EFFORT("minimal"), {**SHOWN, "thinkingLevel": "minimal"}, 0),
        ("gemini-3.8-flash", EFFORT("minimal"), {**SHOWN, "thinkingLevel": "low"}, 1),
        ("gemini-3.8-flash", EFFORT("medium"), {**SHOWN, "thinkingLevel": "medium"}, 0),
        ("gemini-3.1-flash-lite", None, SHOWN, 0),
        ("gemini-flash-lite-latest", None, None, 0),
        ("gemini-3-pro-image-preview", EFFORT("low"), SHOWN, 1),
        ("gemini-2.0-flash", None, None, 0),
        ("gemini-2.0-flash", EFFORT("high"), None, 1),
        ("gemini-2.0-flash", EFFORT("none"), None, 0),
        ("gemini-2.5-flash-image", None, None, 0),
        ("gemini-2.5-flash-preview-tts", None, None, 0),
        ("gemma-3-27b-it", None, None, 0),
        ("gemma-4-31b-it", None, SHOWN, 0),
        ("gemma-4-31b-it", EFFORT("low"), {**SHOWN, "thinkingLevel": "minimal"}, 1),
        ("gemma-4-31b-it", EFFORT("high"), {**SHOWN, "thinkingLevel": "high"}, 0),
        ("gemma-3-27b-it", EFFORT("high"), None, 1),
    ],
)
def test_how_much_to_think_is_said_by_level_or_by_budget(
    model: str, control: ReasoningControl | None, config: object, notes: int
) -> None:
    for url in (STUDIO, EXPRESS, PROJECT):
        assert thinking(model, control, base_url=url) == (config, notes)


def test_a_model_that_is_listed_as_one_that_does_not_think_is_told_nothing() -> None:
    info = ModelInfo("gemini-9", "it", reasoning="none")
    assert thinking("gemini-9", None, info=info) == (None, 0)
    assert thinking("gemini-9", EFFORT("high"), info=info) == (None, 1)


def test_a_plain_request_says_nothing_of_thinking() -> None:
    it = GEMINI.request(
        Endpoint("it", STUDIO, vendor_for(STUDIO)),
        ModelRequest(PRO, HELLO, reasoning=EFFORT("high")).without_reasoning(),
    )
    assert b"thinking" not in it.body
    assert not it.reasoning_sent
