"""The dialect `gemini`: POST /models/{model}:streamGenerateContent, as AI Studio and Vertex serve it.

request.py     the request; contents.py is the history in it
stream.py      the answer, decoded as it comes; chunk, calls, counts, finish, replay are its parts
listing.py     the models
"""

from __future__ import annotations

from thinkaloud_server.core.delta import StreamDecoder
from thinkaloud_server.providers.answer import Classify
from thinkaloud_server.providers.dialect import Dialect, Endpoint
from thinkaloud_server.providers.gemini.listing import listing_request, read_models
from thinkaloud_server.providers.gemini.request import chat_request
from thinkaloud_server.providers.gemini.stream import GeminiDecoder
from thinkaloud_server.providers.wire_format import WireFormat

__all__ = ["GEMINI"]


def _decoder(_endpoint: Endpoint, classify: Classify) -> StreamDecoder:
    return GeminiDecoder(classify=classify)


GEMINI: Dialect = WireFormat(
    name="gemini",
    build=chat_request,
    decode=_decoder,
    ask_models=listing_request,
    read_models=read_models,
)
