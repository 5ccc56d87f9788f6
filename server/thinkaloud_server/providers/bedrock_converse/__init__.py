"""The dialect `bedrock-converse`: POST /model/{model}/converse-stream of Amazon Bedrock, a binary event stream back.

    request.py     the request; content.py its messages, tools.py its tools
    stream.py      the answer, decoded as it comes; event.py its events typed, invoke.py those of InvokeModel,
                   invoke_models.py of models other than Anthropic's
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

from thinkaloud_server.core.delta import StreamDecoder
from thinkaloud_server.providers.answer import Classify
from thinkaloud_server.providers.bedrock_converse.failure import named_body
from thinkaloud_server.providers.bedrock_converse.listing import listing_request, read_models
from thinkaloud_server.providers.bedrock_converse.request import chat_request
from thinkaloud_server.providers.bedrock_converse.stream import ConverseDecoder
from thinkaloud_server.providers.dialect import Dialect, Endpoint
from thinkaloud_server.providers.wire_format import WireFormat

__all__ = ["BEDROCK_CONVERSE"]


def _decoder(_endpoint: Endpoint, classify: Classify) -> StreamDecoder:
    return ConverseDecoder(classify=classify)


BEDROCK_CONVERSE: Dialect = WireFormat(
    name="bedrock-converse",
    build=chat_request,
    decode=_decoder,
    ask_models=listing_request,
    read_models=read_models,
    error_body=named_body,
)
