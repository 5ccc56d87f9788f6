"""What the vendors' own SDKs see of an answer: each reads it from a server, with as little of ours as can be.

The SDKs are untyped here, since they are installed only for these tests (requirements/differential.txt).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """What an SDK saw: `finish` is the format's word, `failure` what it raised."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: dict[Any, list[str]] = field(default_factory=dict)
    finish: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Sdk:
    """`module` is what must be installed; `read` asks the server at this URL and fills what was seen."""

    module: str
    read: Callable[[Any, str, str, Seen], None]

    def see(self, url: str, path: str) -> Seen:
        """What it sees of the answer. `path` is where it was recorded: some formats have two."""
        sdk: Any = importlib.import_module(self.module)
        seen = Seen()
        try:
            self.read(sdk, url, path, seen)
        except Exception as error:
            if not type(error).__module__.split(".")[0] == self.module.split(".")[0]:
                raise
            seen.failure = f"{type(error).__name__}: {error}"
        return seen


USER = [{"role": "user", "content": "go"}]


def _openai_chat(openai: Any, url: str, path: str, seen: Seen) -> None:
    client = openai.OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
    for chunk in client.chat.completions.create(model="m", messages=USER, stream=True):
        for choice in (chunk.choices or [])[:1]:
            delta = choice.delta
            seen.finish = seen.finish or choice.finish_reason or ""
            if delta is None:
                continue
            _openai_content(delta.content, seen)
            seen.reasoning.append(_openai_reasoning(delta.model_extra or {}))
            for call in delta.tool_calls or []:
                _openai_call(call, seen)


def _openai_content(content: Any, seen: Seen) -> None:
    """Text; or Mistral's list of parts, which the SDK passes as it is."""
    parts: list[dict[str, Any]] = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    for part in parts:
        if part["type"] == "thinking":
            seen.reasoning += [each["text"] for each in part["thinking"]]
        else:
            seen.text.append(part.get("text", ""))


def _openai_reasoning(extra: Mapping[str, Any]) -> str:
    """Fields that the SDK does not know, the first that says something."""
    details = "".join(each.get("text") or each.get("summary") or "" for each in extra.get("reasoning_details") or [])
    return extra.get("reasoning") or extra.get("reasoning_content") or details


def _openai_call(call: Any, seen: Seen) -> None:
    """By index, as the SDK's own accumulator has it; some servers number every call 0, with an id each."""
    key = call.index
    while call.id and key in seen.calls and seen.calls[key][2] not in ("", call.id):
        key = (key, "next")
    open_keys = [each for each in seen.calls if each == call.index or (isinstance(each, tuple) and call.index in each)]
    if not call.id and open_keys:
        key = open_keys[-1]
    known = seen.calls.setdefault(key, ["", "", call.id or ""])
    if call.function is not None:
        known[0] = known[0] or call.function.name or ""
        known[1] += call.function.arguments or ""


def _openai_responses(openai: Any, url: str, path: str, seen: Seen) -> None:
    client = openai.OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
    for event in client.responses.create(model="m", input="go", stream=True):
        match event.type:
            case "response.output_text.delta":
                seen.text.append(event.delta)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                seen.reasoning.append(event.delta)
            case "response.output_item.done" if event.item.type == "function_call":
                seen.calls[event.item.call_id] = [event.item.name, event.item.arguments]
            case "response.completed" | "response.incomplete" | "response.failed":
                seen.finish = event.type


def _anthropic(anthropic: Any, url: str, path: str, seen: Seen) -> None:
    client = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0)
    for event in client.messages.create(model="m", max_tokens=9, messages=USER, stream=True):
        match event.type:
            case "content_block_start" if event.content_block.type == "tool_use":
                seen.calls[event.index] = [event.content_block.name, ""]
            case "content_block_delta":
                match event.delta.type:
                    case "text_delta":
                        seen.text.append(event.delta.text)
                    case "thinking_delta":
                        seen.reasoning.append(event.delta.thinking)
                    case "input_json_delta" if event.index in seen.calls:
                        seen.calls[event.index][1] += event.delta.partial_json
            case "message_delta":
                seen.finish = event.delta.stop_reason or seen.finish


def _gemini(genai: Any, url: str, path: str, seen: Seen) -> None:
    client = genai.Client(api_key="k", http_options={"base_url": url})
    for chunk in client.models.generate_content_stream(model="m", contents="go"):
        for candidate in (chunk.candidates or [])[:1]:
            for part in (candidate.content and candidate.content.parts) or []:
                if part.text:
                    (seen.reasoning if part.thought else seen.text).append(part.text)
                if part.function_call:
                    call = part.function_call
                    seen.calls[len(seen.calls)] = [call.name, json.dumps(call.args or {})]
            if candidate.finish_reason:
                seen.finish = candidate.finish_reason.value


def _cohere(cohere: Any, url: str, path: str, seen: Seen) -> None:
    client = cohere.ClientV2(api_key="k", base_url=url, max_retries=0)
    for event in client.chat_stream(model="m", messages=USER):
        message: Any = getattr(getattr(event, "delta", None), "message", None)
        match event.type:
            case "content-delta":
                seen.text.append(message.content.text or "")
                seen.reasoning.append(message.content.thinking or "")
            case "tool-plan-delta":
                seen.reasoning.append(message.tool_plan)
            case "tool-call-start":
                seen.calls[event.index] = [
                    message.tool_calls.function.name,
                    message.tool_calls.function.arguments or "",
                ]
            case "tool-call-delta":
                seen.calls[event.index][1] += message.tool_calls.function.arguments
            case "message-end":
                seen.finish = event.delta.finish_reason


def _ollama(ollama: Any, url: str, path: str, seen: Seen) -> None:
    client = ollama.Client(host=url)
    if path.endswith("/api/generate"):
        for part in client.generate(model="m", prompt="go", stream=True):
            seen.text.append(part.response or "")
            seen.reasoning.append(part.thinking or "")
            seen.finish = part.done_reason or seen.finish
        return
    for part in client.chat(model="m", messages=USER, stream=True):
        seen.text.append(part.message.content or "")
        seen.reasoning.append(part.message.thinking or "")
        for call in part.message.tool_calls or []:
            seen.calls[len(seen.calls)] = [call.function.name, json.dumps(call.function.arguments)]
        seen.finish = part.done_reason or seen.finish


SDKS: Mapping[str, Sdk] = {
    "openai-chat": Sdk("openai", _openai_chat),
    "openai-responses": Sdk("openai", _openai_responses),
    "anthropic-messages": Sdk("anthropic", _anthropic),
    "gemini": Sdk("google.genai", _gemini),
    "cohere-v2": Sdk("cohere", _cohere),
    "ollama": Sdk("ollama", _ollama),
}
