"""The request of `bedrock-converse`: what is sent for what is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provider_vectors import Vector, read_vectors
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import (
    EFFORTS,
    ModelRequest,
    ReasoningControl,
    ResponseFormat,
    Sampling,
    Tool,
)
from thinkaloud_server.providers.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.table import vendor_named

HELLO = (Message("user", (TextPart("Hello"),)),)
NOVA = "amazon.nova-micro-v1:0"
Control = ReasoningControl


def built(model: str = NOVA, messages: tuple[Message, ...] = HELLO, **asked: Any) -> HttpRequest:
    base_url = asked.pop("base_url", "https://bedrock-runtime.us-east-1.amazonaws.com")
    endpoint = Endpoint("it", base_url, vendor_named("bedrock", "bedrock-converse"), api_key="k3y")
    return BEDROCK_CONVERSE.request(endpoint, ModelRequest(model, messages, **asked))


def sent(model: str = NOVA, **asked: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(built(model, **asked).body)
    return body


@pytest.mark.parametrize("vector", read_vectors("bedrock-converse"), ids=lambda vector: vector.name)
def test_a_vector_is_asked_for_as_it_says(vector: Vector) -> None:
    assert json.loads(BEDROCK_CONVERSE.request(vector.endpoint, vector.request).body) == vector.sent


def test_the_least_request() -> None:
    assert sent() == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def test_method_and_headers() -> None:
    request = built()
    assert request.method == "POST"
    assert dict(request.headers) == {
        "accept": "application/vnd.amazon.eventstream",
        "content-type": "application/json",
        "authorization": "Bearer k3y",
    }


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (NOVA, "amazon.nova-micro-v1:0"),
        (
            "arn:aws:bedrock:us-east-1:123:inference-profile/us.x",
            "arn:aws:bedrock:us-east-1:123:inference-profile%2Fus.x",
        ),
    ],
)
def test_the_models_name_is_one_step_of_the_path(model: str, path: str) -> None:
    assert built(model).url == f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{path}/converse-stream"
    proxied = built(model, base_url="https://proxy.example/bedrock/")
    assert proxied.url == f"https://proxy.example/bedrock/model/{path}/converse-stream"


def test_the_system_stands_apart() -> None:
    messages = (Message("system", (TextPart("Be brief."),)), *HELLO)
    assert sent(messages=messages)["system"] == [{"text": "Be brief."}]


def test_a_conversation_of_nothing_is_refused() -> None:
    with pytest.raises(ChatError, match="no conversation without"):
        built(messages=(Message("user", (TextPart(" "),)),))


def test_sampling() -> None:
    sampling = Sampling(temperature=0.0, top_p=0.5, max_output_tokens=9, stop=("a",))
    expected = {"temperature": 0.0, "topP": 0.5, "maxTokens": 9, "stopSequences": ["a"]}
    assert sent(sampling=sampling)["inferenceConfig"] == expected


def test_a_seed_is_left_out_and_that_is_said() -> None:
    request = built(sampling=Sampling(seed=7))
    assert json.loads(request.body) == sent()
    assert request.adjusted == ("the provider takes no seed: it was left out",)


def test_the_form_of_the_answer() -> None:
    schema = '{"type":"object"}'
    wanted = ResponseFormat("json_schema", "it", schema, strict=True)
    structure = {"jsonSchema": {"name": "it", "schema": schema}}
    assert sent(response_format=wanted)["outputConfig"] == {
        "textFormat": {"type": "json_schema", "structure": structure}
    }
    assert "outputConfig" not in sent(response_format=ResponseFormat("text"))
    with pytest.raises(ChatError, match="JSON schema"):
        sent(response_format=ResponseFormat("json_object"))
    with pytest.raises(ChatError, match="must be a JSON object"):
        sent(response_format=ResponseFormat("json_schema", schema="["))


def test_that_a_call_cannot_be_forbidden_is_said_with_the_rest() -> None:
    request = built(tools=(Tool("f", "", ""),), tool_choice="none", sampling=Sampling(seed=1))
    assert len(request.adjusted) == 1


CLAUDE_45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_46 = "us.anthropic.claude-opus-4-6-v1"
CLAUDE_47 = "anthropic.claude-opus-4-7"
CLAUDE_5 = "global.anthropic.claude-opus-5"
GPT_OSS = "openai.gpt-oss-120b-1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
GPT_5 = "us.openai.gpt-5.6-sol"
ADAPTIVE = {"type": "adaptive", "display": "summarized"}
# model, control, additionalModelRequestFields, whether a note says that it was changed
THINK: list[tuple[str, Control | None, object, bool]] = [
    (CLAUDE_45, None, None, False),
    (CLAUDE_45, Control(), {"thinking": {"type": "enabled", "budget_tokens": 8192}}, False),
    (CLAUDE_45, Control("low"), {"thinking": {"type": "enabled", "budget_tokens": 4096}}, False),
    (CLAUDE_45, Control("max"), {"thinking": {"type": "enabled", "budget_tokens": 32000}}, False),
    (CLAUDE_45, Control("none"), None, False),
    (CLAUDE_45, Control(max_tokens=5000), {"thinking": {"type": "enabled", "budget_tokens": 5000}}, False),
    (CLAUDE_45, Control(max_tokens=50), {"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
    (
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
        Control("minimal"),
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        False,
    ),
    ("anthropic.claude-3-5-sonnet-20240620-v1:0", Control("high"), None, True),
    (CLAUDE_46, None, None, False),
    (CLAUDE_46, Control("max"), {"thinking": ADAPTIVE, "output_config": {"effort": "max"}}, False),
    (CLAUDE_46, Control(), {"thinking": ADAPTIVE}, False),
    (CLAUDE_46, Control("none"), {"thinking": {"type": "disabled"}}, False),
    (CLAUDE_46, Control(max_tokens=5000), {"thinking": ADAPTIVE, "output_config": {"effort": "medium"}}, True),
    (CLAUDE_47, None, None, False),
    (CLAUDE_47, Control("none"), None, False),
    (CLAUDE_47, Control("minimal"), {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}, True),
    (CLAUDE_5, None, {"thinking": ADAPTIVE}, False),
    (CLAUDE_5, Control("high"), {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}, False),
    (CLAUDE_5, Control("none"), {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}, True),
    (GPT_OSS, Control("medium"), {"reasoning_effort": "medium"}, False),
    (GPT_OSS, Control("none"), {"reasoning_effort": "low"}, True),
    (NOVA_2, Control(), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}, False),
    (NOVA_2, Control("high"), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, False),
    (NOVA_2, Control("none"), {"reasoningConfig": {"type": "disabled"}}, False),
    (NOVA, Control("high"), None, True),
    (GPT_5, None, None, False),
    (GPT_5, Control(), {"reasoning": {"summary": "auto"}}, False),
    (GPT_5, Control("minimal"), {"reasoning": {"summary": "auto", "effort": "low"}}, True),
    (GPT_5, Control("max"), {"reasoning": {"summary": "auto", "effort": "max"}}, False),
    (GPT_5, Control("none"), {"reasoning": {"effort": "none"}}, False),
    ("deepseek.v3.2", None, None, False),
    ("deepseek.v3.2", Control("medium"), {"reasoning_config": "medium"}, False),
    ("deepseek.v3.2", Control("none"), None, False),
    ("us.deepseek.r1-v1:0", Control("high"), None, True),
    ("qwen.qwen3-32b-v1:0", Control("low"), {"reasoning_config": "low"}, False),
    ("qwen.qwen3-32b-v1:0", Control("medium"), {"reasoning_config": "high"}, True),
    ("qwen.qwen3-coder-30b-a3b-v1:0", Control("high"), None, True),
    ("moonshotai.kimi-k2.5", Control(), {"reasoning_config": "high"}, False),
    ("moonshot.kimi-k2-thinking", Control("high"), None, True),
    ("zai.glm-5", Control("low"), {"reasoning_config": "high"}, True),
]


@pytest.mark.parametrize(
    ("model", "control", "fields", "noted"),
    THINK,
    ids=[f"{model}-{it and (it.effort or it.max_tokens)}" for model, it, _, _ in THINK],
)
def test_how_much_to_think(model: str, control: Control | None, fields: object, noted: bool) -> None:
    request = built(model, reasoning=control)
    assert json.loads(request.body).get("additionalModelRequestFields") == fields
    assert request.reasoning_sent == (fields is not None)
    assert bool(request.adjusted) == noted


@pytest.mark.parametrize(
    ("max_tokens", "budget"),
    [(20_000, 8192), (8193, 8192), (8192, 8191), (2000, 1999), (1025, 1024), (1024, None), (9, None)],
)
def test_a_budget_stays_below_the_limit_of_the_output(max_tokens: int, budget: int | None) -> None:
    request = built(CLAUDE_45, reasoning=Control("medium"), sampling=Sampling(max_output_tokens=max_tokens))
    body = json.loads(request.body)
    thinking = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    assert body.get("additionalModelRequestFields") == (thinking if budget else None)
    assert request.reasoning_sent == bool(budget)
    assert bool(request.adjusted) == (budget != 8192)
    assert body["inferenceConfig"] == {"maxTokens": max_tokens}


@pytest.mark.parametrize(
    ("model", "control", "asked", "taken", "noted"),
    [
        (NOVA, Control("high"), (0.2, 0.5), {"temperature": 0.2, "topP": 0.5}, True),
        (CLAUDE_45, None, (0.2, None), {"temperature": 0.2}, False),
        (CLAUDE_45, None, (0.2, 0.5), {"temperature": 0.2}, True),
        (CLAUDE_45, Control("low"), (0.2, 0.97), {"topP": 0.97}, True),
        (CLAUDE_46, Control("low"), (1, 0.5), None, True),
        (CLAUDE_46, Control("none"), (0.2, None), {"temperature": 0.2}, False),
        (CLAUDE_5, None, (0.2, None), None, True),
        (GPT_5, None, (0.2, 0.5), None, True),
        (NOVA_2, Control("medium"), (0.2, 0.5), {"temperature": 0.2, "topP": 0.5}, False),
        (NOVA_2, Control("high"), (0.2, 0.5), None, True),
    ],
)
def test_sampling_goes_as_far_as_the_model_takes_it(
    model: str,
    control: Control | None,
    asked: tuple[float | None, float | None],
    taken: dict[str, float] | None,
    noted: bool,
) -> None:
    request = built(model, reasoning=control, sampling=Sampling(temperature=asked[0], top_p=asked[1]))
    assert json.loads(request.body).get("inferenceConfig") == taken
    assert bool(request.adjusted) == noted


def test_novas_strongest_effort_gives_way_to_a_limit_of_the_output() -> None:
    request = built(NOVA_2, reasoning=Control("high"), sampling=Sampling(max_output_tokens=9, temperature=0.2))
    body = json.loads(request.body)
    assert body["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "medium"
    assert body["inferenceConfig"] == {"maxTokens": 9, "temperature": 0.2}
    assert len(request.adjusted) == 1


def test_a_request_without_reasoning_says_nothing_about_it() -> None:
    for model in (CLAUDE_45, CLAUDE_46, CLAUDE_5, GPT_OSS, GPT_5, NOVA_2, "zai.glm-5"):
        plain = ModelRequest(model, HELLO, reasoning=Control("high")).without_reasoning()
        endpoint = Endpoint("it", "https://bedrock.example", vendor_named("bedrock", "bedrock-converse"))
        assert json.loads(BEDROCK_CONVERSE.request(endpoint, plain).body) == sent()


def test_building_a_request_never_changes_the_table() -> None:
    for model in (CLAUDE_45, CLAUDE_46, CLAUDE_5, NOVA_2, GPT_5, "zai.glm-5"):
        for effort in EFFORTS:
            first = sent(model, reasoning=Control(effort))
            built(model, reasoning=Control("medium"), sampling=Sampling(max_output_tokens=9))
            sent(model, reasoning=Control("none"))
            assert sent(model, reasoning=Control(effort)) == first
