"""The dialect `openai-responses`: POST /responses, and everybody who speaks likewise.

    request.py     the request; items.py the history in it, replay.py the reasoning in that
    stream.py      the answer, decoded as it comes; event, parts, told, calls, counts, finish are its parts

The listing of models is that of `openai-chat`: the vendors are the same.
"""

from __future__ import annotations

from thinkaloud_server.core.delta import StreamDecoder
from thinkaloud_server.providers.answer import Classify
from thinkaloud_server.providers.dialect import Dialect, Endpoint
from thinkaloud_server.providers.openai_chat.listing import listing_request, read_models
from thinkaloud_server.providers.openai_responses.replay import REASONING
from thinkaloud_server.providers.openai_responses.request import responses_request
from thinkaloud_server.providers.openai_responses.stream import ResponsesDecoder
from thinkaloud_server.providers.wire_format import WireFormat

__all__ = ["OPENAI_RESPONSES"]


def _decoder(endpoint: Endpoint, classify: Classify) -> StreamDecoder:
    return ResponsesDecoder(keeps_reasoning=REASONING in endpoint.vendor.replay, classify=classify)


OPENAI_RESPONSES: Dialect = WireFormat(
    name="openai-responses",
    build=responses_request,
    decode=_decoder,
    ask_models=listing_request,
    read_models=read_models,
)
