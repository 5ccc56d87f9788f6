"""The generated stubs of every service over one channel of its own: what a caller without our client library has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from thinkaloud.v1 import (
    chat_service_pb2_grpc,
    conversation_service_pb2_grpc,
    identity_service_pb2_grpc,
    model_service_pb2_grpc,
    run_service_pb2_grpc,
    system_service_pb2_grpc,
    upload_service_pb2_grpc,
)


class Stubs:
    """Untyped, because the generated ones are."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel: Any = channel
        self.chat: Any = chat_service_pb2_grpc.ChatServiceStub(channel)
        self.runs: Any = run_service_pb2_grpc.RunServiceStub(channel)
        self.conversations: Any = conversation_service_pb2_grpc.ConversationServiceStub(channel)
        self.models: Any = model_service_pb2_grpc.ModelServiceStub(channel)
        self.uploads: Any = upload_service_pb2_grpc.UploadServiceStub(channel)
        self.system: Any = system_service_pb2_grpc.SystemServiceStub(channel)
        self.identity: Any = identity_service_pb2_grpc.IdentityServiceStub(channel)


@asynccontextmanager
async def stubs(
    address: str, options: Sequence[tuple[str, int]] = (), credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[Stubs]:
    """Over a connection that is shared with no other channel of this process; over TLS with credentials."""
    own = [("grpc.use_local_subchannel_pool", 1), *options]
    if credentials is None:
        channel = grpc.aio.insecure_channel(address, options=own)
    else:
        channel = grpc.aio.secure_channel(address, credentials, options=own)
    async with channel:
        yield Stubs(channel)
