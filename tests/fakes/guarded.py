"""Every route of the contract that asks who calls, and a request that each of them takes."""

from __future__ import annotations

import re
from typing import Any

import httpx

from fakes.forms import TYPE, closed, part
from thinkaloud.v1 import access_pb2
from thinkaloud_server.web.route import Route, routes_of, services_of_contract

SCOPE: Any = access_pb2.scope
GUARDED = [
    route for route in routes_of(services_of_contract()).routes if route.method.GetOptions().Extensions[SCOPE] != "open"
]
# A body that every method takes: whoever may not call is not told whether theirs was right.
_BODIES: dict[str, Any] = {
    "Chat": {"text": "hi"},
    "SendMessage": {"text": "hi"},
    "BatchChat": {"requests": [{"text": "hi"}]},
    "SwitchModel": {"model_id": "demo/plain"},
}


async def ask(client: httpx.AsyncClient, route: Route, **headers: str) -> httpx.Response:
    """A request that the route could answer."""
    path = re.sub(
        r"\{(\w+)_id\}", lambda found: _PREFIXES.get(found[1], found[1]) + "_" + "0" * 32, route.template.text
    )
    query = {"text": "hi", "idempotency_key": "k"} if (route.verb, route.method.name) == ("GET", "Chat") else None
    if route.method.client_streaming:
        form = closed(part("file", b"x", filename="a.txt"))
        return await client.post(path, content=form, headers={**headers, "content-type": TYPE})
    body = _BODIES.get(route.method.name, {}) if route.body else None
    return await client.request(route.verb, path, json=body, params=query, headers=headers)


_PREFIXES = {"conversation": "conv", "upload": "upl"}
