"""IdentityService: whom the server takes the caller for, and the WebSockets that a caller holds open."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import nullcontext

from thinkaloud.v1 import identity_service_pb2 as pb
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import ANYBODY, Identity
from thinkaloud_server.rpc import field, wire
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.departure import Departure
from thinkaloud_server.rpc.identify import Authenticator, credential_of
from thinkaloud_server.rpc.throttle import Throttle


class IdentityServicer:
    """What is asked of who calls. Without an authenticator everybody is `ANYBODY`, and no token is needed."""

    def __init__(self, authenticator: Authenticator | None, departure: Departure, throttle: Throttle) -> None:
        self.authenticator = authenticator
        self._departure = departure
        self._throttle = throttle

    async def get_identity(self, request: pb.GetIdentityRequest, call: Call) -> pb.GetIdentityResponse:
        return pb.GetIdentityResponse(identity=_to_proto(call.identity))

    async def create_socket_token(
        self, request: pb.CreateSocketTokenRequest, call: Call
    ) -> pb.CreateSocketTokenResponse:
        path = field.socket_path("path", request.path)
        if self.authenticator is None:
            return pb.CreateSocketTokenResponse()
        token, expires_at = await self.authenticator.socket_token(call.identity, path)
        return pb.CreateSocketTokenResponse(token=token, expires_at=wire.timestamp(expires_at))

    async def hold_socket(
        self, request: pb.HoldSocketRequest, call: Call
    ) -> AsyncGenerator[pb.HoldSocketResponse, None]:
        authorization = ""
        if self.authenticator is None:
            call.identity = ANYBODY
        elif request.token:
            authorization, call.identity = await self.authenticator.redeem(request.token, request.path)
        else:
            call.identity = await self.authenticator.identify(credential_of(call))
        held = self.authenticator.watch(call.identity, call.cut) if self.authenticator else nullcontext()
        with self._throttle.socket(call), held:
            yield pb.HoldSocketResponse(authorization=authorization, identity=_to_proto(call.identity))
            await self._departure.wait()
        raise ChatError(ErrorReason.DRAINING, "the server is shutting down: ask another replica", retry_after_s=1.0)


def _to_proto(identity: Identity) -> pb.Identity:
    return pb.Identity(
        tenant=identity.tenant,
        key_id=identity.key_id,
        scopes=sorted(identity.scopes),
        models=identity.models,
        expires_at=wire.timestamp(identity.expires_at) if identity.expires_at else None,
    )
