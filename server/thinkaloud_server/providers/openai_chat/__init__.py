"""The dialect `openai-chat`: POST /chat/completions, and everybody who speaks likewise.

    request.py     the request: messages, tools, sampling, reasoning controls
    stream.py      the answer, decoded as it comes; chunk, tool_calls, counts, finish, replay, last_words are its parts
    listing.py     the models

What an error means, how a control of reasoning is said, and how an answer ends are common to all dialects:
`failure.py`, `reasoning.py` and `answer.py` beside this folder.
"""

from __future__ import annotations

from thinkaloud_server.core.delta import StreamDecoder
from thinkaloud_server.providers.answer import Classify
from thinkaloud_server.providers.dialect import Dialect, Endpoint
from thinkaloud_server.providers.openai_chat.listing import listing_request, read_models
from thinkaloud_server.providers.openai_chat.request import chat_request
from thinkaloud_server.providers.openai_chat.stream import ChatDecoder
from thinkaloud_server.providers.wire_format import WireFormat

__all__ = ["OPENAI_CHAT"]


def _decoder(endpoint: Endpoint, classify: Classify) -> StreamDecoder:
    return ChatDecoder(
        finish_optional=endpoint.vendor.finish_optional, replay=endpoint.vendor.replay, classify=classify
    )


OPENAI_CHAT: Dialect = WireFormat(
    name="openai-chat",
    build=chat_request,
    decode=_decoder,
    ask_models=listing_request,
    read_models=read_models,
)
