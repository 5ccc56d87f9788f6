"""The dialect `cohere-v2`: POST /v2/chat, as Cohere serves it, and those who serve its models likewise.

request.py     the request: messages, tools, sampling
stream.py      the answer, decoded as it comes; event, counts, finish, replay are its parts
listing.py     the models
"""

from __future__ import annotations

from thinkaloud_server.core.delta import StreamDecoder
from thinkaloud_server.providers.answer import Classify
from thinkaloud_server.providers.cohere_v2.listing import listing_request, read_models
from thinkaloud_server.providers.cohere_v2.request import chat_request
from thinkaloud_server.providers.cohere_v2.stream import CohereDecoder
from thinkaloud_server.providers.dialect import Dialect, Endpoint
from thinkaloud_server.providers.wire_format import WireFormat

__all__ = ["COHERE_V2"]


def _decoder(_endpoint: Endpoint, classify: Classify) -> StreamDecoder:
    return CohereDecoder(classify=classify)


COHERE_V2: Dialect = WireFormat(
    name="cohere-v2",
    build=chat_request,
    decode=_decoder,
    ask_models=listing_request,
    read_models=read_models,
)
