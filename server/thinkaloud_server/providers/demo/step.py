"""One step of a script: something said, or a silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from thinkaloud_server.core.delta import Delta


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is said for so long; whoever plays the script waits."""

    seconds: float


Step = Pause | Delta
Steps = Iterator[Step]
