"""The dialect `cohere-v2`: POST /v2/chat, as Cohere serves it, and those who serve its models likewise.

request.py     the request: messages, tools, sampling
stream.py      the answer, decoded as it comes; event, counts, finish, replay are its parts
listing.py     the models
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from thinkaloud_server.core.delta import Failure, StreamDecoder
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.cohere_v2.listing import listing_request, read_models
from thinkaloud_server.providers.cohere_v2.request import chat_request
from thinkaloud_server.providers.cohere_v2.stream import CohereDecoder
from thinkaloud_server.providers.dialect import Dialect, Endpoint, HttpRequest
from thinkaloud_server.providers.failure import answer_failure, stream_failure

__all__ = ["COHERE_V2"]


@dataclass(frozen=True, slots=True)
class CohereV2:
    """See Dialect."""

    name: str = "cohere-v2"

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        return chat_request(endpoint, request)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return CohereDecoder(classify=partial(stream_failure, endpoint, request))

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


COHERE_V2: Dialect = CohereV2()
