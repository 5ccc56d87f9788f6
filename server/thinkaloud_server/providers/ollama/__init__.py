"""The dialect `ollama`: POST /api/chat of Ollama, on this machine and in its cloud, and JSON lines back.

request.py     the request: messages, tools, options, how much to think
stream.py      the answer, decoded as it comes; line.py is what one line says
replay.py      the thoughts that a tool loop gives back
listing.py     the models, and what each can do
"""

from __future__ import annotations

from thinkaloud_server.core.delta import StreamDecoder
from thinkaloud_server.providers.answer import Classify
from thinkaloud_server.providers.dialect import Dialect, Endpoint
from thinkaloud_server.providers.ollama.listing import detail_request, listing_request, read_detail, read_models
from thinkaloud_server.providers.ollama.request import chat_request
from thinkaloud_server.providers.ollama.stream import OllamaDecoder
from thinkaloud_server.providers.wire_format import WireFormat

__all__ = ["OLLAMA"]


def _decoder(_endpoint: Endpoint, classify: Classify) -> StreamDecoder:
    return OllamaDecoder(classify=classify)


OLLAMA: Dialect = WireFormat(
    name="ollama",
    build=chat_request,
    decode=_decoder,
    ask_models=listing_request,
    read_models=read_models,
    ask_detail=detail_request,
    read_detail=read_detail,
)
