"""The dialect `ollama`: POST /api/chat of Ollama, on this machine and in its cloud, and JSON lines back.

request.py     the request: messages, tools, options, how much to think
stream.py      the answer, decoded as it comes; line.py is what one line says
replay.py      the thoughts that a tool loop gives back
listing.py     the models, and what each can do
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from thinkaloud_server.core.delta import Failure, StreamDecoder
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.dialect import Dialect, Endpoint, HttpRequest
from thinkaloud_server.providers.failure import answer_failure, stream_failure
from thinkaloud_server.providers.ollama.listing import detail_request, listing_request, read_detail, read_models
from thinkaloud_server.providers.ollama.request import chat_request
from thinkaloud_server.providers.ollama.stream import OllamaDecoder

__all__ = ["OLLAMA"]


@dataclass(frozen=True, slots=True)
class Ollama:
    """See Dialect."""

    name: str = "ollama"

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        return chat_request(endpoint, request)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return OllamaDecoder(classify=partial(stream_failure, endpoint, request))

    def failure(
        self, endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes, *, reasoning_sent: bool
    ) -> Failure:
        return answer_failure(endpoint, status, headers, body, reasoning_sent=reasoning_sent)

    def listing(self, endpoint: Endpoint) -> HttpRequest:
        return listing_request(endpoint)

    def models(self, endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
        return read_models(endpoint, body)

    def detail(self, endpoint: Endpoint, model: ModelInfo) -> HttpRequest | None:
        return detail_request(endpoint, model)

    def detailed(self, endpoint: Endpoint, model: ModelInfo, body: bytes) -> ModelInfo | None:
        return read_detail(model, body)


OLLAMA: Dialect = Ollama()
