"""A real browser without a window: Chromium, where it is installed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

# No name is looked up and nothing is sent on its own: what a page needs must come from loopback.
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--enable-logging=stderr"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A page after its scripts ran: the elements, and what its console said."""

    dom: str
    console: list[str]


@asynccontextmanager
async def opened(url: str, profile: Path) -> AsyncIterator[None]:
    """Keep a page open, by the true clock. What becomes of it, the page itself must tell to some server."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        *(CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def visit(url: str, profile: Path, *, script_s: int = 20) -> Seen:
    """Open a page and let its scripts have this long, by a clock that runs ahead while they wait for nothing."""
    assert CHROMIUM is not None
    flags = (*_FLAGS, f"--user-data-dir={profile}", f"--virtual-time-budget={script_s * 1000}", "--dump-dom")
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *flags, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(90):
            out, log = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    console = [line for line in log.decode(errors="replace").splitlines() if ":CONSOLE" in line]
    return Seen(out.decode(errors="replace"), console)
