"""What `observed`, the second opinion beside a recorded stream, says in the contract's words.

Pure, and by dialect alone: no stream, provider or model is named here, so that it judges recordings that nobody has
seen as well. `expected` is what a stream must come to; `differences` what of it did not, before think tags are split.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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

Observed = Mapping[str, Any]
Count = Callable[[Mapping[str, Any]], tuple[int | None, int | None]]

_SERVER_TOOL = re.compile(rb'"type": ?"server_tool_use"[^{}]*"name": ?"([^"]+)"')

_FILTERED = ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY")

# The formats' words for why a model stopped. A word that is not here binds us to nothing.
FINISHES: Mapping[str, Mapping[str, str]] = {
    "openai-chat": {word: word for word in ("stop", "length", "tool_calls", "content_filter")},
    "openai-responses": {"response.completed": "stop", "response.incomplete": "length"},
    "anthropic-messages": {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "pause_turn": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "refusal": "content_filter",
    },
    "gemini": {"STOP": "stop", "MAX_TOKENS": "length", **dict.fromkeys(_FILTERED, "content_filter")},
    "ollama": {"stop": "stop", "length": "length"},
    "cohere-v2": {
        "COMPLETE": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "TOOL_CALL": "tool_calls",
        "ERROR_TOXIC": "content_filter",
    },
    "bedrock-converse": {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "guardrail_intervened": "content_filter",
        "content_filtered": "content_filter",
    },
}

# Formats whose word for a stop is the same when tools are called: the contract tells these apart.
TOOLS_UNTOLD = frozenset({"openai-responses", "gemini", "ollama"})

# Fields that the second opinion saw and did not read: it says nothing then of text, counts and ends.
UNREAD = frozenset({"invoke-chunk"})

# Words that say that it went wrong.
FAILING = frozenset({"response.failed", "ERROR", "error"})


@dataclass(frozen=True)
class Expected:
    """What is None is unknown; `failed`, where the format leaves open whether the stream ended well."""

    reasoning: str
    text: str
    calls: list[list[str]]
    finish: str | None
    usage: tuple[int | None, int | None] | None
    failed: bool | None


def expected(dialect: str, observed: Observed) -> Expected:
    """What a stream with this second opinion must come to."""
    calls = [list(call) for call in observed["tool_calls"]]
    words = observed["finish"]
    failed = bool(observed["errors"]) or any(word in FAILING for word in words)
    finish = FINISHES[dialect].get(words[0]) if words else None
    if finish == "stop" and calls and dialect in TOOLS_UNTOLD:
        finish = "tool_calls"
    return Expected(
        observed["reasoning_sha256"],
        observed["text_sha256"],
        calls,
        finish,
        usage_of(dialect, observed["usage"]),
        True if failed else False if words else None,
    )


def usage_of(dialect: str, usage: Mapping[str, Any] | None) -> tuple[int | None, int | None] | None:
    """Input and output tokens as the contract counts them: what was cached and what was thought included.

    None is what was not observed: some second opinions hold the last report alone, and that may lack the input.
    """
    return _USAGE[dialect](usage) if usage else None


def _chat(usage: Mapping[str, Any]) -> tuple[int, int]:
    """Some leave reasoning out of `completion_tokens`: then the total tells, or that there was more of it than of all.

    Where two counts disagree, there was at least as much output as reasoning, which is part of it.
    """
    read, written = usage["prompt_tokens"], usage["completion_tokens"]
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if thought and usage.get("total_tokens") == read + written + thought:
        written += thought
    return read, max(written, thought)


def _counted(
    read: Sequence[str], written: Sequence[str]
) -> Callable[[Mapping[str, Any]], tuple[int | None, int | None]]:
    def total(usage: Mapping[str, Any], names: Sequence[str]) -> int | None:
        there = [usage[name] or 0 for name in names if name in usage]
        return sum(there) if there else None

    def of(usage: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return total(usage, read), total(usage, written)

    return of


_tokens = _counted(("input_tokens",), ("output_tokens",))

_USAGE: Mapping[str, Count] = {
    "openai-chat": _chat,
    "openai-responses": _tokens,
    "anthropic-messages": _counted(
        ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), ("output_tokens",)
    ),
    "gemini": _counted(("promptTokenCount", "toolUsePromptTokenCount"), ("candidatesTokenCount", "thoughtsTokenCount")),
    "ollama": _counted(("prompt_eval_count",), ("eval_count",)),
    "cohere-v2": lambda usage: _tokens(usage.get("tokens") or usage.get("billed_units") or {}),
    "bedrock-converse": _counted(("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"), ("outputTokens",)),
}


def digest(text: str) -> str:
    """As `observed` has it."""
    return hashlib.sha256(text.encode()).hexdigest()


def differences(
    dialect: str, observed: Observed, deltas: Sequence[Delta], *, body: bytes = b"", finish_optional: bool = False
) -> dict[str, str]:
    """Where these deltas, of this body, are not what was observed: what differs, and how."""
    wanted = expected(dialect, observed)
    if not UNREAD.isdisjoint(observed["reasoning_fields"]):
        return {} if deltas and isinstance(deltas[-1], EndOfStream | Failure) else {"end": "it has none"}
    theirs = _SERVER_TOOL.findall(body) if dialect == "anthropic-messages" else []
    if theirs:
        # A tool that the provider calls and answers itself is no call of the caller's.
        wanted = replace(wanted, calls=[call for call in wanted.calls if call[0].encode() not in theirs])
    found: dict[str, str] = {}
    reasoning = text_of(deltas, ReasoningDelta)
    if digest(reasoning) != wanted.reasoning:
        found["reasoning"] = f"{len(reasoning)} characters, observed {observed['reasoning_chars']}"
    text = text_of(deltas, TextDelta)
    if wanted.text not in (digest(text), digest(text_of(deltas, TextDelta, RefusalDelta))):
        found["text"] = f"{len(text)} characters, observed {observed['text_chars']}"
    calls = calls_of(deltas)
    if not same_calls(calls, wanted.calls):
        found["tool calls"] = f"{calls}, observed {wanted.calls}"
    finishes: list[str] = [delta.reason for delta in deltas if isinstance(delta, Finish)]
    # Whether tools are called is the assembler's to know, where the format's word does not tell.
    allowed = {wanted.finish, "stop"} if dialect in TOOLS_UNTOLD and calls else {wanted.finish}
    if wanted.finish and not wanted.failed and (len(finishes) != 1 or finishes[0] not in allowed):
        found["finish"] = f"{finishes}, observed {wanted.finish}"
    usages = [delta.usage for delta in deltas if isinstance(delta, UsageReport)]
    usage = (usages[-1].input_tokens, usages[-1].output_tokens) if usages else None
    if wanted.usage is not None and not _same_usage(usage, wanted.usage):
        found["usage"] = f"{usage}, observed {wanted.usage}"
    end = deltas[-1] if deltas else None
    well = isinstance(end, EndOfStream)
    # A stream that never says why it stops: with a vendor that never does, an end mark may end it well.
    may_be_well = finish_optional if wanted.failed is None else not wanted.failed
    if (well and not may_be_well) or not (well or (isinstance(end, Failure) and wanted.failed is not False)):
        found["end"] = f"{end}, observed {observed['finish']}, errors {observed['errors']}"
    return found


def _same_usage(ours: tuple[int, int] | None, theirs: tuple[int | None, int | None]) -> bool:
    return ours is not None and all(other in (None, mine) for mine, other in zip(ours, theirs, strict=True))


def one_after_another(answers: Sequence[Sequence[Delta]]) -> list[Delta]:
    """Answers that were recorded as one stream: their calls stay apart, and the end is the last one's."""
    out: list[Delta] = []
    first = 0
    for number, deltas in enumerate(answers):
        used = first
        for delta in deltas:
            if isinstance(delta, ToolCallDelta):
                used = max(used, first + delta.index + 1)
                out.append(replace(delta, index=first + delta.index))
            elif number == len(answers) - 1 or not isinstance(delta, Finish | EndOfStream):
                out.append(delta)
        first = used
    return out


def text_of(deltas: Sequence[Delta], *kinds: type[TextDelta | ReasoningDelta | RefusalDelta]) -> str:
    """The text of these kinds, joined."""
    return "".join(delta.text for delta in deltas if isinstance(delta, kinds))


def calls_of(deltas: Sequence[Delta]) -> list[list[str]]:
    """Name and arguments of each call."""
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            call = calls.setdefault(delta.index, ["", ""])
            call[0] += delta.name
            call[1] += delta.arguments
    return list(calls.values())


def same_calls(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> bool:
    """The same names, and the same arguments: as text where they are text on the wire, else as values."""
    if len(ours) != len(theirs):
        return False
    return all(
        mine[0] == other[0] and (mine[1] == other[1] or _value(mine[1]) == _value(other[1]))
        for mine, other in zip(ours, theirs, strict=True)
    )


def _value(arguments: str) -> object:
    """Arguments as a value; none at all are an empty object. What is no JSON is equal to nothing else."""
    try:
        return json.loads(arguments) if arguments.strip() else {}
    except ValueError:
        return arguments
