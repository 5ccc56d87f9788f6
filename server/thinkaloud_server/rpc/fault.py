"""The fault that a caller asks for in its request's metadata, as `x-thinkaloud-fault: reset;after_bytes=200`."""

from __future__ import annotations

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.fault import Fault, parse
from thinkaloud_server.rpc.call import Call

HEADER = "x-thinkaloud-fault"


def fault_of(call: Call) -> Fault | None:
    """None when the caller asks for none. Raises ChatError(VALIDATION_FAILED) for one that does not exist."""
    text = call.header(HEADER)
    if not text.strip():
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise invalid(HEADER, str(error)) from None
