"""Reads tests/vectors/runs: the deltas of one model request, the events they become, and the answer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from thinkaloud_server.core.assembler import Answer
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    ResponseInfo,
    StateDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.event import Event, Reasoning, Token, ToolCallEvent
from thinkaloud_server.core.think import ThinkMode
from thinkaloud_server.core.usage import Usage

_FOLDER = Path(__file__).parents[1] / "vectors" / "runs"
_DELTAS: dict[str, Any] = {
    "info": ResponseInfo,
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "refusal": RefusalDelta,
    "tool_call": ToolCallDelta,
    "state": StateDelta,
    "usage": lambda **counts: UsageReport(Usage(**counts)),
    "finish": Finish,
    "end": EndOfStream,
    "failure": lambda reason, message: Failure(ErrorReason(reason), message),
}
_EVENTS: dict[str, Any] = {"token": Token, "reasoning": Reasoning, "tool_call": ToolCallEvent}


@dataclass(frozen=True, slots=True)
class RunVector:
    """One vector; `answer` is the file's own JSON."""

    name: str
    think_tags: ThinkMode
    deltas: tuple[Delta, ...]
    events: tuple[Event, ...]
    answer: dict[str, Any]


def run_vectors() -> list[RunVector]:
    """All of them, by name."""
    return [_read(path) for path in sorted(_FOLDER.glob("*.json"))]


def answer_json(answer: Answer) -> dict[str, Any]:
    """An answer in the form of the files."""
    return asdict(answer) | {
        "tool_calls": [asdict(call) for call in answer.tool_calls],
        "usage": {name: count for name, count in asdict(answer.usage).items() if count is not None},
        "failure": answer.failure.reason if answer.failure else "",
        "reasoning_used": answer.reasoning_used,
        "empty": answer.empty,
    }


def _read(path: Path) -> RunVector:
    document = json.loads(path.read_text(encoding="utf-8"))
    return RunVector(
        path.stem,
        document["think_tags"],
        tuple(_delta(dict(entry)) for entry in document["deltas"]),
        tuple(cast(Event, _EVENTS[entry["event"]](**entry["data"])) for entry in document["events"]),
        document["answer"],
    )


def _delta(entry: dict[str, Any]) -> Delta:
    return cast(Delta, _DELTAS[entry.pop("delta")](**entry))
