"""The dialect `gemini`: POST /models/{model}:streamGenerateContent, as AI Studio and Vertex serve it.

request.py     the request; contents.py is the history in it
stream.py      the answer, decoded as it comes; chunk, calls, counts, finish, replay are its parts
listing.py     the models
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from thinkaloud_server.core.delta import Failure, StreamDecoder
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.dialect import Dialect, Endpoint, HttpRequest
from thinkaloud_server.providers.failure import answer_failure, stream_failure
from thinkaloud_server.providers.gemini.listing import listing_request, read_models
from thinkaloud_server.providers.gemini.request import chat_request
from thinkaloud_server.providers.gemini.stream import GeminiDecoder

__all__ = ["GEMINI"]


@dataclass(frozen=True, slots=True)
class Gemini:
    """See Dialect."""

    name: str = "gemini"

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        return chat_request(endpoint, request)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return GeminiDecoder(classify=partial(stream_failure, endpoint, request))

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


GEMINI: Dialect = Gemini()
