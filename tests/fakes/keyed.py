"""The whole server with callers of a test's own: who calls is who the header `x-thinkaloud-as` names, on every face."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fakes.whole import Whole
from thinkaloud_server.app.clock import SystemClock, new_id
from thinkaloud_server.app.config import Config
from thinkaloud_server.app.discover import Discovery
from thinkaloud_server.app.http_face import HttpFace
from thinkaloud_server.app.wiring import assemble, limits_of
from thinkaloud_server.core.identity import ANYBODY, Allowance, Identity
from thinkaloud_server.core.upload import Quota
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.server import RpcServer
from thinkaloud_server.stores.memory import MemoryStore
from thinkaloud_server.stores.uploads import Uploads
from thinkaloud_server.web.app import web_app

AS = "x-thinkaloud-as"


def key(key_id: str = "k", *, tenant: str = ANYBODY.tenant, models: tuple[str, ...] = (), **allowance: Any) -> Identity:
    """A caller with a key that may do everything but what is said here."""
    return Identity(tenant, key_id, ANYBODY.scopes, models, Allowance(**allowance))


@asynccontextmanager
async def keyed_server(
    data_dir: Path,
    callers: Mapping[str, Identity],
    providers: Mapping[str, Mapping[str, Any]] | None = None,
    **sections: Mapping[str, Any],
) -> AsyncIterator[Whole]:
    """As `whole_server`, for these callers by their names; whoever names none of them is nobody in particular."""

    @asynccontextmanager
    async def recognise(call: Call) -> AsyncIterator[None]:
        call.identity = callers.get(call.header(AS), ANYBODY)
        yield

    store = {"data_dir": data_dir, **sections.pop("store", {})}
    config = Config.model_validate({"discover": False, "store": store, "providers": providers or {}, **sections})
    async with AsyncExitStack() as stack:
        assembly = await assemble(config, {}, Discovery(), stack, chance=lambda: 0.0)
        engine = assembly.engine
        await engine.open()
        stack.push_async_callback(engine.close)
        server = RpcServer(
            engine=engine,
            uploads=Uploads(MemoryStore().uploads, None, quota=Quota(), kept_s=3600.0),
            clock=SystemClock(),
            new_id=new_id,
            new_request_id=lambda: new_id("req"),
            version="test",
            limits=limits_of(config),
            tracing=(recognise,),
        )
        port = await server.start("127.0.0.1:0")
        stack.push_async_callback(server.stop, 1.0)
        face = HttpFace(web_app(server.local))
        http = await face.start("127.0.0.1:0")
        stack.push_async_callback(face.stop, 1.0)
        yield Whole(f"127.0.0.1:{port}", engine, http, server.throttle)
