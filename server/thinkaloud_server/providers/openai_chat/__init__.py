"""The dialect `openai-chat`: POST /chat/completions, and everybody who speaks likewise.

    request.py     the request: messages, tools, sampling, reasoning controls
    stream.py      the answer, decoded as it comes; chunk, tool_calls, counts, finish, replay, last_words are its parts
    listing.py     the models

What an error means, how a control of reasoning is said, and how an answer ends are common to all dialects:
`failure.py`, `reasoning.py` and `answer.py` beside this folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from thinkaloud_server.core.delta import Failure, StreamDecoder
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.dialect import Dialect, Endpoint, HttpRequest
from thinkaloud_server.providers.failure import answer_failure, stream_failure
from thinkaloud_server.providers.openai_chat.listing import listing_request, read_models
from thinkaloud_server.providers.openai_chat.request import chat_request
from thinkaloud_server.providers.openai_chat.stream import ChatDecoder

__all__ = ["OPENAI_CHAT"]


@dataclass(frozen=True, slots=True)
class OpenAiChat:
    """See Dialect."""

    name: str = "openai-chat"

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        return chat_request(endpoint, request)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return ChatDecoder(
            finish_optional=endpoint.vendor.finish_optional,
            replay=endpoint.vendor.replay,
            classify=partial(stream_failure, endpoint, request),
        )

    def failure(
        self, endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes, *, reasoning_sent: bool
    ) -> Failure:
        return answer_failure(endpoint, status, headers, body, reasoning_sent=reasoning_sent)

    def listing(self, endpoint: Endpoint) -> HttpRequest:
        return listing_request(endpoint)

    def models(self, endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
        return read_models(endpoint, body)

    def detail(self, endpoint: Endpoint, model: ModelInfo) -> HttpRequest | None:
        return None

    def detailed(self, endpoint: Endpoint, model: ModelInfo, body: bytes) -> ModelInfo:
        return model


OPENAI_CHAT: Dialect = OpenAiChat()
