"""[chaos]: faults done to providers' answers on purpose; off by default, and never by accident where others call.

A public server needs `public = true` besides: a variable that was left behind from a test, or `--insecure` alone, must
not be enough to break real callers' answers; a staging deployment that listens on all addresses can still say it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from thinkaloud_server.core.fault import parse
from thinkaloud_server.engine.chaos import Chance

EVERY_PROVIDER = "*"


class ChaosSection(BaseModel):
    """`providers` holds, for each provider or "*", faults as they are written and the probability of each."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    enabled: bool = False
    public: bool = False
    by_header: bool = False
    seed: int | None = None
    providers: dict[str, dict[str, float]] = {}

    @field_validator("providers")
    @classmethod
    def _faults(cls, providers: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, shares in providers.items():
            if name == "demo":
                raise ValueError("chaos does not reach the built-in demo models; they have faults of their own")
            for text, probability in shares.items():
                if parse(text).attempts is not None:
                    raise ValueError(f"{name}: attempts goes with a request's header, not with a probability")
                if not 0 <= probability <= 1:
                    raise ValueError(f"{name}: the probability of {parse(text).kind} must be 0 to 1")
            if sum(shares.values()) > 1 + 1e-9:
                raise ValueError(f"{name}: the probabilities add up to more than 1")
        return providers

    @model_validator(mode="after")
    def _does_something(self) -> ChaosSection:
        if self.enabled and not self.by_header and not self.providers:
            raise ValueError("enabled does nothing by itself: name faults in chaos.providers, or set by_header = true")
        return self

    def chances(self, provider: str) -> tuple[Chance, ...]:
        """The faults of this provider: its own, else those of every provider."""
        shares = self.providers.get(provider, self.providers.get(EVERY_PROVIDER, {}))
        return tuple(Chance(parse(text), probability) for text, probability in shares.items())


def announced(chaos: ChaosSection) -> str:
    """What a server with chaos tells of it; "" without."""
    if not chaos.enabled:
        return ""
    told = [
        f"{name}: " + ", ".join(f"{probability:.0%} {text}" for text, probability in shares.items())
        for name, shares in chaos.providers.items()
    ]
    if chaos.by_header:
        told.append("any call may ask for a fault by x-thinkaloud-fault")
    return "answers are broken on purpose: " + "; ".join(told)
