"""The whole server, from the real configuration: in this process, or as a process of its own that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_tls import TlsSection
from thinkaloud_server.app.discover import Discovery
from thinkaloud_server.app.identity import make_key, open_keys
from thinkaloud_server.app.renewal import Renewal
from thinkaloud_server.app.serve import http_face
from thinkaloud_server.app.wiring import assemble
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.engine.engine import Engine
from thinkaloud_server.identity.key import key_id_of
from thinkaloud_server.rpc.throttle import Throttle

LAUNCH = "import sys; from thinkaloud_server.app.cli import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Whole:
    """A running server of this process: where it answers gRPC and HTTP."""

    address: str
    engine: Engine
    http: str
    throttle: Throttle
    admin: str = ""


@asynccontextmanager
async def whole_server(
    data_dir: Path, providers: Mapping[str, Mapping[str, Any]] | None = None, **sections: Mapping[str, Any]
) -> AsyncIterator[Whole]:
    """Serves on a free port; `providers` and `sections` are as in the file. Retries wait as short as they may."""
    renewal = Renewal(TlsSection.model_validate(sections["tls"])) if "tls" in sections else None
    store = {"data_dir": data_dir, **sections.pop("store", {})}
    config = Config.model_validate({"discover": False, "store": store, "providers": providers or {}, **sections})
    async with AsyncExitStack() as stack:
        assembly = await assemble(config, {}, Discovery(), stack, chance=lambda: 0.0)
        await assembly.engine.open()
        stack.push_async_callback(assembly.engine.close)
        port = await assembly.server.start("127.0.0.1:0", renewal.credentials() if renewal else None)
        stack.push_async_callback(assembly.server.stop, 1.0)
        face = http_face(config, assembly)
        assert face is not None
        http = await face.start("127.0.0.1:0", renewal.current.context if renewal else None)
        stack.push_async_callback(face.stop, 1.0)
        if renewal is not None:
            await stack.enter_async_context(renewal.watching(face.renew))
        admin = ""
        if assembly.admin is not None:
            stack.push_async_callback(assembly.admin.close)
            admin = f"127.0.0.1:{await assembly.admin.start('127.0.0.1', 0)}"
        yield Whole(f"127.0.0.1:{port}", assembly.engine, http, assembly.server.throttle, admin)


# For `whole_server`: callers must bring a key.
ASKING = {"required": True}


def made_key(data_dir: Path, tenant: str, *scopes: str, models: tuple[str, ...] = (), expires_at: float = 0.0) -> str:
    """The text of a new key for the server of this data directory, as `thinkaloud keys create` makes it."""
    config = Config.model_validate({"store": {"data_dir": data_dir}})
    identity = Identity(tenant, "", frozenset(scopes), models, expires_at=expires_at)
    return make_key(config, {}, name=tenant, identity=identity).text


def revoke_key(data_dir: Path, text: str) -> None:
    """As `thinkaloud keys revoke` does it."""
    with open_keys(Config.model_validate({"store": {"data_dir": data_dir}})) as file:
        assert file.revoke(key_id_of(text), time.time())


class ServerProcess:
    """`thinkaloud serve` as a process. `start` it again after `kill`: same data, another port."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self.address = self.http = ""
        self._data_dir = data_dir
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
            "THINKALOUD_LOG__LEVEL": "error",
            **(environment or {}),
        }
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        file = self._data_dir / "test.toml"
        file.write_text("discover = false\n")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LAUNCH, "serve", "--config", str(file)),
            *("--data-dir", str(self._data_dir), "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"),
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            ready = (await self._process.stdout.readline()).decode().split()
        assert ready, "the server ended before it was ready"
        words = dict(word.partition("=")[::2] for word in ready[1:])
        self.address, self.http = words["grpc"], words["http"]

    async def kill(self) -> None:
        """`kill -9`, now."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    async def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        async with asyncio.timeout(30):
            return await self._process.wait()


@asynccontextmanager
async def server_process(data_dir: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[ServerProcess]:
    process = ServerProcess(data_dir, environment)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
