"""A turn: what one caller asks for, checked. Faces make it; the engine runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from thinkaloud_server.core.fault import Fault
from thinkaloud_server.core.identity import ANYBODY, Identity
from thinkaloud_server.core.message import Message
from thinkaloud_server.core.request import ReasoningControl, ResponseFormat, Sampling, Tool

OnBusy = Literal["reject", "queue", "interrupt"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Either `messages` (the caller keeps the history; the last one is the question) or one user message.

    `user_message` is what is stored and asked; with `messages` it is None. It is the user's, or of the role "tool": the
    results that the conversation's last message waits for (core/tool_results.py). `context` is JSON text for the model
    or "". `request_hash` is a digest of the request without key, include_reasoning and detach. `deadline_s` is
    the time that the caller has left, or None. `fault` is what the caller wants done to providers' answers.
    `identity` is who asks: which models they may ask, and whose share of the server this uses up.
    """

    user_message: Message | None
    messages: tuple[Message, ...] = ()
    conversation_id: str = ""
    model: str = ""
    reasoning: ReasoningControl | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    response_format: ResponseFormat | None = None
    context: str = ""
    max_iterations: int = 5
    metadata: Mapping[str, str] = field(default_factory=dict)
    store: bool = True
    idempotency_key: str = ""
    request_hash: str = ""
    detach_s: int = 15
    on_busy: OnBusy = "reject"
    fallback_models: tuple[str, ...] = ()
    request_id: str = ""
    deadline_s: float | None = None
    fault: Fault | None = None
    identity: Identity = ANYBODY
