"""What a refusal says of reasoning: the words and the fields of a refused control, and what only sounds like them."""

from __future__ import annotations

import pytest

from thinkaloud_server.providers.error_body import ErrorBody
from thinkaloud_server.providers.refusal import REFUSALS, STATE, history_refused, reasoning_refused

REFUSED = [
    "property 'reasoning_effort' is unsupported",
    "reasoning_effort is only supported for some models",
    "The value of the enable_thinking parameter is restricted to True.",
    "current model does not support parameter `enable_thinking`.",
    "m-1 does not support parameters: ['reasoning_effort'], for model=m-1",
    "invalid thinking: only type=enabled is allowed for this model",
    "Invalid combination of reasoning_effort and thinking type: high + disabled",
    "Invalid reasoning effort: none",
    "Argument not supported on this model: reasoningEffort",
    "unexpected keyword argument 'reasoning_effort'",
    "`reasoning_format` can only be one of `raw`, `parsed`",
    "Reasoning cannot be disabled for this model",
    "reasoning is not available for this model",
    "tool_choice 'specified' is incompatible with thinking enabled",
    "The tool_choice parameter does not support being set to required in thinking mode",
    "当前模型不支持思考模式",
]
NOT_REFUSED = [
    "Unsupported parameter: 'logprobs' is not supported with reasoning models.",
    "'stop' is not supported for reasoning models",
    "Tool 'deep_reasoning' not supported: its name is too long",
    "messages.1.content.0: unexpected block in a turn of thinking",
    "Invalid tool call: reasoning field must be string",
    "stream_options is only supported when stream is enabled",
    "The model does not support tools",
]


@pytest.mark.parametrize("message", REFUSED)
def test_a_control_that_is_named_and_refused_is_a_refusal(message: str) -> None:
    assert reasoning_refused(400, ErrorBody(message=message))


@pytest.mark.parametrize("message", NOT_REFUSED)
def test_a_sentence_that_only_mentions_reasoning_is_none(message: str) -> None:
    assert not reasoning_refused(400, ErrorBody(message=message))


@pytest.mark.parametrize("status", sorted(REFUSALS))
def test_a_refusal_has_the_status_of_one(status: int) -> None:
    assert reasoning_refused(status, ErrorBody(message=REFUSED[0]))
    assert not reasoning_refused(503, ErrorBody(message=REFUSED[0]))


@pytest.mark.parametrize("field", ["temperature", "tools[0].reasoning", "logprobs", "response_format.schema.thinking"])
def test_a_field_of_another_kind_speaks_louder_than_the_words(field: str) -> None:
    """Reasoning models refuse much, and say why: what is refused is then not the reasoning."""
    body = ErrorBody(message="not supported when reasoning_effort is not supported", fields=(field,))
    assert not reasoning_refused(400, body)


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        ("messages.1.reasoning_content", True),
        ("input[3].reasoning", True),
        ("messages[2].reasoning_details", True),
        ("reasoning_effort", False),
        ("messages.1.content", False),
    ],
)
def test_a_history_is_refused_by_a_field_of_a_message(field: str, refused: bool) -> None:
    assert history_refused(ErrorBody(fields=(field,))) is refused


@pytest.mark.parametrize(
    "message",
    [
        "Unable to verify thought signature.",
        "property 'reasoning_content' is unsupported, did you mean 'reasoning'?",
        "The content[].thinking in the thinking mode must be passed back to the API.",
        "Unrecognized request argument supplied: messages[1].reasoning_details",
    ],
)
def test_the_words_of_a_refused_history(message: str) -> None:
    assert STATE.search(message)


def test_a_receipt_that_must_be_passed_back_is_no_history() -> None:
    assert not STATE.search("The session id must be passed back to the API.")
