"""How a serving process is told to end."""

from __future__ import annotations

import asyncio
import os
import signal


class StopSignals:
    """SIGTERM and SIGINT: the first one drains, a second one ends the process where it stands."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._received, number)

    def _received(self, number: signal.Signals) -> None:
        if self.first.is_set():
            # Nothing is lost: what was delivered is committed, and the next start settles what was live.
            os._exit(128 + number)
        self.first.set()
