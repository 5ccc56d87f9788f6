"""The dialect `bedrock-converse`: POST /model/{model}/converse-stream of Amazon Bedrock, a binary event stream back.

    request.py     the request; content.py its messages, tools.py its tools
    stream.py      the answer, decoded as it comes; event.py its events typed, invoke.py those of InvokeModel
    whole.py       an answer that was not streamed
    counts.py      token counts
    finish.py      why the model stopped
    replay.py      signed and encrypted thoughts, kept and given back in their places
    failure.py     what an exception means
    listing.py     the models, which another host lists

Requests go out with a bearer key, or unsigned: Amazon's signature needs credentials and a clock, and is put on outside
(`Vendor.signed_for`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from thinkaloud_server.core.delta import Failure, StreamDecoder
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.bedrock_converse.failure import named_body
from thinkaloud_server.providers.bedrock_converse.listing import listing_request, read_models
from thinkaloud_server.providers.bedrock_converse.request import chat_request
from thinkaloud_server.providers.bedrock_converse.stream import ConverseDecoder
from thinkaloud_server.providers.dialect import Dialect, Endpoint, HttpRequest
from thinkaloud_server.providers.failure import answer_failure, stream_failure

__all__ = ["BEDROCK_CONVERSE"]


@dataclass(frozen=True, slots=True)
class BedrockConverse:
    """See Dialect."""

    name: str = "bedrock-converse"

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        return chat_request(endpoint, request)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return ConverseDecoder(classify=partial(stream_failure, endpoint, request))

    def failure(
        self, endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes, *, reasoning_sent: bool
    ) -> Failure:
        return answer_failure(endpoint, status, headers, named_body(headers, body), reasoning_sent=reasoning_sent)

    def listing(self, endpoint: Endpoint) -> HttpRequest:
        return listing_request(endpoint)

    def models(self, endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
        return read_models(endpoint, body)

    def detail(self, endpoint: Endpoint, model: ModelInfo) -> HttpRequest | None:
        return None

    def detailed(self, endpoint: Endpoint, model: ModelInfo, body: bytes) -> ModelInfo:
        return model


BEDROCK_CONVERSE: Dialect = BedrockConverse()
