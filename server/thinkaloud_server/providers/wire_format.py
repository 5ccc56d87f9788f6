"""A dialect as one value: its functions, with what nearly all share filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from thinkaloud_server.core.delta import Failure, StreamDecoder
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.answer import Classify
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.failure import answer_failure, stream_failure


def _as_it_is(_headers: Mapping[str, str], body: bytes) -> bytes:
    return body


def _says_it_all(_endpoint: Endpoint, _model: ModelInfo) -> HttpRequest | None:
    return None


def _unchanged(model: ModelInfo, _body: bytes) -> ModelInfo | None:
    return model


@dataclass(frozen=True, slots=True)
class WireFormat:
    """Satisfies `Dialect`. `decode` gets what says what an error in the stream means; `error_body` is the body of an
    error answer, for formats that say a part of it in the headers."""

    name: str
    build: Callable[[Endpoint, ModelRequest], HttpRequest]
    decode: Callable[[Endpoint, Classify], StreamDecoder]
    ask_models: Callable[[Endpoint], HttpRequest]
    read_models: Callable[[Endpoint, bytes], Sequence[ModelInfo]]
    ask_detail: Callable[[Endpoint, ModelInfo], HttpRequest | None] = _says_it_all
    read_detail: Callable[[ModelInfo, bytes], ModelInfo | None] = _unchanged
    error_body: Callable[[Mapping[str, str], bytes], bytes] = _as_it_is

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        return self.build(endpoint, request)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return self.decode(endpoint, partial(stream_failure, endpoint, request))

    def failure(
        self, endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes, *, reasoning_sent: bool
    ) -> Failure:
        told = self.error_body(headers, body)
        return answer_failure(endpoint, status, headers, told, reasoning_sent=reasoning_sent)

    def listing(self, endpoint: Endpoint) -> HttpRequest:
        return self.ask_models(endpoint)

    def models(self, endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
        return self.read_models(endpoint, body)

    def detail(self, endpoint: Endpoint, model: ModelInfo) -> HttpRequest | None:
        return self.ask_detail(endpoint, model)

    def detailed(self, endpoint: Endpoint, model: ModelInfo, body: bytes) -> ModelInfo | None:
        return self.read_detail(model, body)
