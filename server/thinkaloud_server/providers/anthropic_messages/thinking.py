"""What thinking asks of the rest of a request: room for the answer, and silence from other knobs.

Anthropic refuses what does not go together, so what was asked for less is left out, with a note: a temperature, a
forced tool, or, where the thoughts of a loop of tools are lost, thinking itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.anthropic_messages.history import loop_lacks_thoughts
from thinkaloud_server.providers.reasoning import reasoning_fields
from thinkaloud_server.providers.sampling import sampling_taken
from thinkaloud_server.providers.vendors import Vendor

_BUDGET_MIN = 1024
# For models of which nothing is known: every one since 2024 writes this much, and every one that thinks in its own
# measure much more.
_ANSWER_TOKENS = 8192
_THINKER_TOKENS = 32000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is said of thinking, and what of the rest follows from it. `tool_choice` is our word, or ""."""

    fields: dict[str, Any]
    max_tokens: int
    temperature: float | None
    top_p: float | None
    tool_choice: str
    headers: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def plan(vendor: Vendor, request: ModelRequest, messages: list[dict[str, Any]]) -> Plan:
    """What goes together of all that was asked for."""
    row = vendor.reasoning_of(request.model, request.info)
    told = reasoning_fields(vendor, request)
    notes = list(told.notes)
    forced = request.tool_choice not in ("", "auto", "none")
    fields = told.fields
    if forced and request.reasoning is None and row.sampling != "free":
        # A tool was asked for, thinking was not: nothing is said of it.
        fields = {}
    fields, max_tokens = _with_room(request, fields, messages, notes)
    thinks = _thinks(fields)
    tool_choice = request.tool_choice if request.tools else ""
    if tool_choice and forced and thinks and row.sampling != "free":
        notes.append("a model that thinks cannot be told which tool to call: the tool choice was left out")
        tool_choice = ""
    temperature, top_p = sampling_taken(row, request.sampling, notes, thinks=thinks)
    headers = row.tool_headers if thinks and request.tools else ()
    return Plan(fields, max_tokens, temperature, top_p, tool_choice, headers, tuple(notes))


def _thinks(fields: dict[str, Any]) -> bool:
    return fields.get("thinking", {}).get("type") in ("enabled", "adaptive")


def _with_room(
    request: ModelRequest, fields: dict[str, Any], messages: list[dict[str, Any]], notes: list[str]
) -> tuple[dict[str, Any], int]:
    """The fields, and the limit of the answer, in which thoughts are included."""
    known = request.info.max_output_tokens if request.info is not None else 0
    limit = request.sampling.max_output_tokens or known
    budget = fields.get("thinking", {}).get("budget_tokens", 0)
    if not budget:
        return fields, limit or (_THINKER_TOKENS if _thinks(fields) else _ANSWER_TOKENS)
    without = {name: value for name, value in fields.items() if name != "thinking"}
    if loop_lacks_thoughts(messages):
        notes.append("the history lacks the thoughts behind its last tool calls: thinking was left out")
        return without, limit or _ANSWER_TOKENS
    if not limit:
        return fields, budget + _ANSWER_TOKENS
    if limit <= _BUDGET_MIN:
        notes.append(f"an answer of at most {limit} tokens has no room for thinking: it was left out")
        return without, limit
    if budget >= limit:
        budget = max(_BUDGET_MIN, limit * 3 // 4)
        notes.append(f"thoughts are part of an answer of at most {limit} tokens: their budget is {budget} tokens")
        fields = {**without, "thinking": {**fields["thinking"], "budget_tokens": budget}}
    return fields, limit
