"""The dialect `anthropic-messages`: POST /v1/messages, as Anthropic, the clouds and others serve it.

request.py     the request: the body, its headers and its place
history.py     the messages of it, in turns that alternate
thinking.py    what thinking asks of the rest of a request
replay.py      thoughts that are to be given back: gathered, stored, put into their places
stream.py      the answer, decoded as it comes; event, block, counts, finish are its parts
listing.py     the models
"""

from __future__ import annotations

from thinkaloud_server.core.delta import StreamDecoder
from thinkaloud_server.providers.answer import Classify
from thinkaloud_server.providers.anthropic_messages.listing import listing_request, read_models
from thinkaloud_server.providers.anthropic_messages.request import messages_request
from thinkaloud_server.providers.anthropic_messages.stream import MessagesDecoder
from thinkaloud_server.providers.dialect import Dialect, Endpoint
from thinkaloud_server.providers.wire_format import WireFormat

__all__ = ["ANTHROPIC_MESSAGES"]


def _decoder(endpoint: Endpoint, classify: Classify) -> StreamDecoder:
    return MessagesDecoder(finish_optional=endpoint.vendor.finish_optional, classify=classify)


ANTHROPIC_MESSAGES: Dialect = WireFormat(
    name="anthropic-messages",
    build=messages_request,
    decode=_decoder,
    ask_models=listing_request,
    read_models=read_models,
)
