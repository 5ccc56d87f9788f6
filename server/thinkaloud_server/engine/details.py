"""What a listing does not say of its models, asked for each by itself: some at once, and not for long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Dialect, Endpoint, HttpRequest

AT_ONCE_MAX = 8
WITHIN_S = 5.0

# The body of the answer to a request, within so many seconds. Raises ChatError.
Read = Callable[[HttpRequest, float], Awaitable[bytes]]


async def with_details(
    dialect: Dialect, endpoint: Endpoint, models: Sequence[ModelInfo], read: Read, *, within_s: float = WITHIN_S
) -> Sequence[ModelInfo]:
    """The models in their order, each with its detail where the dialect asks for one and it came in time.

    A model that its detail shows to be no chat model is left out.
    """
    detailed: list[ModelInfo | None] = list(models)
    wanted = [(place, request) for place, model in enumerate(models) if (request := dialect.detail(endpoint, model))]
    free = asyncio.Semaphore(AT_ONCE_MAX)

    async def add(place: int, request: HttpRequest) -> None:
        async with free:
            with suppress(ChatError, ValueError):  # the model is listed without
                detailed[place] = dialect.detailed(endpoint, models[place], await read(request, within_s))

    if wanted:
        with suppress(TimeoutError):  # those that came are there
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
                for place, request in wanted:
                    group.create_task(add(place, request))
    return [model for model in detailed if model is not None]
