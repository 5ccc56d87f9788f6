"""Events of InvokeModelWithResponseStream of models other than Anthropic's: each has a form of its own.

    Titan     outputText, completionReason            Llama     generation, stop_reason
    Mistral   outputs[text, stop_reason]              Cohere    text or event_type, finish_reason
    Claude 2  completion, stop_reason                 Nova      the events of Converse, each under its name
    choices[delta or message or text, finish_reason or stop_reason]: OpenAI, DeepSeek, Qwen, Jamba, newer Mistral

Source: docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html. Whatever the form, Bedrock puts its own
counts into the last event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from thinkaloud_server.providers.fact import at, count

_METRICS = "amazon-bedrock-invocationMetrics"
_NOVA = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that such an event says: `what` names it, `index` is its block."""

    what: str
    text: str = ""
    index: int = 0
    more: Any = None


def read_other(event: dict[str, Any]) -> Iterator[Said]:
    """What an event of a model that is not Anthropic's says; nothing for a form that nobody knows."""
    for name in _NOVA:
        if isinstance(fields := event.get(name), dict):
            yield Said("converse", name, more=fields)
            return
    form = next((read for key, read in _FORMS if key in event), None)
    if form is None:
        return
    yield Said("begin")
    yield from form(event)
    if event.get("amazon-bedrock-guardrailAction") == "INTERVENED":
        yield Said("stop", "INTERVENED")
    yield Said("usage", more=counts(event.get(_METRICS), "inputTokenCount", "outputTokenCount"))


def counts(value: object, inputs: str, outputs: str) -> dict[str, int]:
    """Counts under Anthropic's names."""
    return {"input_tokens": count(value, inputs), "output_tokens": count(value, outputs)}


def _titan(event: dict[str, Any]) -> Iterator[Said]:
    yield Said("text", _text(event.get("outputText")))
    yield Said("usage", more=counts(event, "inputTextTokenCount", "totalOutputTextTokenCount"))
    if event.get("amazon-bedrock-guardrailAction") != "INTERVENED":
        yield Said("stop", _text(event.get("completionReason")))


def _llama(event: dict[str, Any]) -> Iterator[Said]:
    yield Said("text", _text(event.get("generation")))
    yield Said("usage", more=counts(event, "prompt_token_count", "generation_token_count"))
    yield Said("stop", _text(event.get("stop_reason")))


def _mistral(event: dict[str, Any]) -> Iterator[Said]:
    output = _first(event.get("outputs"))
    yield Said("text", _text(at(output, "text")))
    yield Said("stop", _text(at(output, "stop_reason")))


def _completion(event: dict[str, Any]) -> Iterator[Said]:
    yield Said("text", _text(event.get("completion")))
    yield Said("stop", _text(event.get("stop_reason")))


def _cohere(event: dict[str, Any]) -> Iterator[Said]:
    # The last event of the newer form holds the whole text once more.
    if event.get("event_type", "text-generation") == "text-generation":
        yield Said("text", _text(event.get("text")))
    yield Said("stop", _text(event.get("finish_reason")))


def _choices(event: dict[str, Any]) -> Iterator[Said]:
    choice = _first(event.get("choices"))
    for name in ("delta", "message"):
        said = at(choice, name)
        for key in ("reasoning_content", "reasoning"):
            if thought := _text(at(said, key)):
                yield Said("reasoning", thought)
                break
        yield Said("text", _text(at(said, "content")))
        calls = at(said, "tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            yield from _call(number, call)
    yield Said("text", _text(at(choice, "text")))
    yield Said("usage", more=counts(event.get("usage"), "prompt_tokens", "completion_tokens"))
    yield Said("stop", _text(at(choice, "finish_reason")) or _text(at(choice, "stop_reason")))


def _call(number: int, call: object) -> Iterator[Said]:
    index = at(call, "index")
    # Block 0 is the text's.
    index = 1 + (index if type(index) is int else number)
    call_id, name = _text(at(call, "id")), _text(at(call, "function.name"))
    if call_id or name:
        yield Said("call", call_id, index, name)
    yield Said("input", _text(at(call, "function.arguments")), index)


def _first(items: object) -> object:
    return items[0] if isinstance(items, list) and items else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# By a key that only this form has.
_FORMS: tuple[tuple[str, Callable[[dict[str, Any]], Iterator[Said]]], ...] = (
    ("outputText", _titan),
    ("generation", _llama),
    ("outputs", _mistral),
    ("completion", _completion),
    ("choices", _choices),
    ("event_type", _cohere),
    ("is_finished", _cohere),
)
