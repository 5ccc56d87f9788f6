"""The fake provider as a process: it listens, says so, and stops on a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from aiohttp import web

from thinkaloud_server.app.cli_output import CommandError, say, write
from thinkaloud_server.app.fake_provider import FakeProvider, Repertoire


async def serve(fake: FakeProvider, repertoire: Repertoire, *, host: str, port: int, faults: Sequence[str]) -> None:
    """Until a signal. Raises CommandError when it cannot listen."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = fake.runner()
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            where = f"{host}:{port}"
            raise CommandError(f"cannot listen on {where}: {error.strerror or 'the address is in use'}") from None
        address = f"{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
        models = repertoire.models
        say(f"fake provider on http://{address}")
        say(f"  dialects  {', '.join(repertoire.dialects)}")
        say(f"  models    {', '.join(models[:12])}{f' and {len(models) - 12} more' if len(models) > 12 else ''}")
        for text in faults:
            say(f"  fault     {text}", style="warning")
        write(f"ready http={address}")
        await stop.wait()
    finally:
        await runner.cleanup()
