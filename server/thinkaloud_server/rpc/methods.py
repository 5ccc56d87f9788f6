"""The table of methods: what a service's descriptor declares, bound to the servicer that answers it.

The socket server binds this table; a channel inside the process can call the same handlers with message objects.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from thinkaloud_server.rpc.call import Call

# The request's class differs by method; the table keeps it beside the handler.
UnaryHandler = Callable[[Any, Call], Awaitable[Message]]
StreamHandler = Callable[[Any, Call], AsyncGenerator[Message, None]]
IntakeHandler = Callable[[AsyncIterator[Any], Call], Awaitable[Message]]

_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Method:
    """One method. Exactly one of `unary`, `stream` (its answers) and `intake` (a stream of requests) is set."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    unary: UnaryHandler | None = None
    stream: StreamHandler | None = None
    intake: IntakeHandler | None = None

    @property
    def path(self) -> str:
        """As it stands in the :path of HTTP/2."""
        return f"/{self.service}/{self.name}"


def methods_of(service: ServiceDescriptor, servicer: object) -> Iterator[Method]:
    """Every method of the service; the servicer names its handlers like them, in snake_case.

    Raises ValueError for one that streams both ways: no channel of ours carries it.
    """
    for method in service.methods:
        if method.client_streaming and method.server_streaming:
            raise ValueError(f"{method.full_name} streams both ways")
        handler = getattr(servicer, _HUMP.sub("_", method.name).lower())
        yield Method(
            service=service.full_name,
            name=method.name,
            request=message_factory.GetMessageClass(method.input_type),
            response=message_factory.GetMessageClass(method.output_type),
            unary=None if method.server_streaming or method.client_streaming else handler,
            stream=handler if method.server_streaming else None,
            intake=handler if method.client_streaming else None,
        )
