"""What every test is held to, whoever wrote it: an asyncio test leaves no task behind; and how examples are made."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

# A cancelled task needs a moment to unwind after its owner has gone; one that takes longer has no owner.
UNWIND_S = 1.0

# Tests run two at a time, on machines that are busy: how long an example took says nothing about the code. In CI the
# examples are the same each time: a commit is not to blame for what chance finds; at home, chance goes on looking.
settings.register_profile(
    "busy",
    parent=settings.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("busy")


@pytest.fixture
async def _watched_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    here = asyncio.current_task()
    left = {task for task in asyncio.all_tasks() - before if task is not here}
    if left:
        _, left = await asyncio.wait(left, timeout=UNWIND_S)
    if left:
        # Listed before they are cancelled: then the stack still says where each one waits.
        found = "\n".join(_described(task) for task in left)
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=UNWIND_S)
        pytest.fail(f"{len(left)} tasks outlive the test:\n{found}")


@pytest.fixture(autouse=True)
def _no_task_left(request: pytest.FixtureRequest) -> None:
    """Autouse fixtures begin first and so end last: the test's own fixtures have closed what they opened."""
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("_watched_tasks")


def _described(task: asyncio.Task[object]) -> str:
    frames = task.get_stack(limit=1)
    where = f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "no frame"
    return f"  {task.get_name()} {task.get_coro()!r} at {where}"
