"""The built-in provider: plays the scripts of the demo models, behind the seam that every provider stands behind.

No socket, no key. It waits where a script pauses; nothing else of it takes time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from thinkaloud_server.core.delta import Delta, Failure
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.engine.ports import AttemptTrace, Clock, ThinkTags
from thinkaloud_server.providers.demo import MODELS, Pause, script

# What a script says without a pause goes out in batches, as the reads of a socket would bring it.
BATCH_DELTAS_MAX = 64


class DemoProvider:
    """Satisfies `Provider`. `pace` scales every pause: 1 as written, 0 for tests that do not want to wait."""

    def __init__(self, *, clock: Clock, pace: float = 1.0) -> None:
        self._clock = clock
        self._pace = pace

    @property
    def name(self) -> str:
        return "demo"

    @property
    def dialect(self) -> str:
        return "demo"

    @property
    def base_url(self) -> str:
        return ""

    @property
    def lists_all(self) -> bool:
        return True

    @property
    def tells_reasoning(self) -> bool:
        return False

    def known(self, model: str) -> ModelInfo:
        return next((info for info in MODELS if info.name == model), ModelInfo(model, self.name))

    def think_tags(self, model: str) -> ThinkTags:
        """Only demo/tags writes think tags; what others quote is text."""
        return "auto" if model == "tags" else "off"

    def stream(
        self, request: ModelRequest, *, request_id: str, trace: AttemptTrace
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Delta]]]:
        """Play the script of the request's model. Leaving the context ends it at once, in a pause too."""
        return self._opened(request, trace)

    async def models(self) -> Sequence[ModelInfo]:
        """All of them; the listing never fails."""
        return MODELS

    @asynccontextmanager
    async def _opened(
        self, request: ModelRequest, trace: AttemptTrace
    ) -> AsyncIterator[AsyncIterator[Sequence[Delta]]]:
        async with aclosing(self._batches(request, trace)) as batches:
            yield batches

    async def _batches(self, request: ModelRequest, trace: AttemptTrace) -> AsyncGenerator[Sequence[Delta], None]:
        sent_at = self._clock.monotonic()
        trace.sent = True
        batch: list[Delta] = []
        for step in script(request.model, request):
            if isinstance(step, Pause):
                if batch:
                    yield tuple(batch)
                    batch.clear()
                await asyncio.sleep(step.seconds * self._pace)
                continue
            if not trace.status:
                trace.status = (step.status if isinstance(step, Failure) else 0) or 200
                trace.first_byte_ms = (self._clock.monotonic() - sent_at) * 1000
            batch.append(step)
            if len(batch) == BATCH_DELTAS_MAX:
                yield tuple(batch)
                batch.clear()
                await asyncio.sleep(0)  # others must run, and a stop must be heard, however long the script is
        if batch:
            yield tuple(batch)
