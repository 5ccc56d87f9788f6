"""Which sampling settings a model takes (`Reasoning.sampling`), whoever serves it; notes tell what was left out."""

from __future__ import annotations

from thinkaloud_server.core.request import Sampling
from thinkaloud_server.providers.vendors import Reasoning


def sampling_taken(
    row: Reasoning, sampling: Sampling, notes: list[str], *, thinks: bool
) -> tuple[float | None, float | None]:
    """The temperature and top_p that a model of this row takes; `thinks` says that it was told to think."""
    temperature, top_p = sampling.temperature, sampling.top_p
    if row.sampling == "free":
        return temperature, top_p
    if row.sampling == "none":
        if temperature not in (None, 1) or top_p not in (None, 1):
            notes.append("the model takes no temperature and no top_p: they were left out")
        return None, None
    if temperature is not None and temperature > 1:
        notes.append(f"the model takes a temperature up to 1: it was given 1 in place of {temperature:g}")
        temperature = 1.0
    if thinks:
        if temperature not in (None, 1):
            notes.append("a model that thinks takes no temperature: it was left out")
        if top_p is not None and top_p < 0.95:
            notes.append("a model that thinks takes a top_p from 0.95 to 1: it was left out")
            top_p = None
        return None, top_p
    if temperature is not None and top_p is not None:
        notes.append("the model takes a temperature or a top_p, not both: top_p was left out")
        top_p = None
    return temperature, top_p
