"""The dialect `openai-responses`: POST /responses, and everybody who speaks likewise.

    request.py     the request; items.py the history in it, replay.py the reasoning in that
    stream.py      the answer, decoded as it comes; event, parts, told, calls, counts, finish are its parts

The listing of models is that of `openai-chat`: the vendors are the same.
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
from thinkaloud_server.providers.openai_responses.replay import REASONING
from thinkaloud_server.providers.openai_responses.request import responses_request
from thinkaloud_server.providers.openai_responses.stream import ResponsesDecoder

__all__ = ["OPENAI_RESPONSES"]


@dataclass(frozen=True, slots=True)
class OpenAiResponses:
    """See Dialect."""

    name: str = "openai-responses"

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        return responses_request(endpoint, request)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return ResponsesDecoder(
            keeps_reasoning=REASONING in endpoint.vendor.replay, classify=partial(stream_failure, endpoint, request)
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


OPENAI_RESPONSES: Dialect = OpenAiResponses()
