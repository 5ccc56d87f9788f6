"""The dialect `anthropic-messages`: POST /v1/messages, as Anthropic, the clouds and others serve it.

request.py     the request: the body, its headers and its place
history.py     the messages of it, in turns that alternate
thinking.py    what thinking asks of the rest of a request
replay.py      thoughts that are to be given back: gathered, stored, put into their places
stream.py      the answer, decoded as it comes; event, block, counts, finish are its parts
listing.py     the models
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from thinkaloud_server.core.delta import Failure, StreamDecoder
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.anthropic_messages.listing import listing_request, read_models
from thinkaloud_server.providers.anthropic_messages.request import messages_request
from thinkaloud_server.providers.anthropic_messages.stream import MessagesDecoder
from thinkaloud_server.providers.dialect import Dialect, Endpoint, HttpRequest
from thinkaloud_server.providers.failure import answer_failure, stream_failure

__all__ = ["ANTHROPIC_MESSAGES"]


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """See Dialect."""

    name: str = "anthropic-messages"

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        return messages_request(endpoint, request)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return MessagesDecoder(
            finish_optional=endpoint.vendor.finish_optional, classify=partial(stream_failure, endpoint, request)
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


ANTHROPIC_MESSAGES: Dialect = AnthropicMessages()
