"""What the HTTP face says of this server at `/` and in its documentation."""

from __future__ import annotations

from thinkaloud_server.app.version import server_version
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.system import published
from thinkaloud_server.web.openapi import Info


def about(limits: Limits | None = None) -> Info:
    """A gateway does not know the limits of what is behind it: it links to where they are told."""
    return Info(
        name="thinkaloud",
        version=server_version(),
        summary="Watch a model think and answer: typed, numbered, durable events.",
        limits=None if limits is None else published(limits),
        links={"capabilities": "/api/v1/capabilities"},
    )
