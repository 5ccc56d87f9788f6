"""What one run cost and where its time went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them. Reasoning is part of output, cached is part of input.

    `cost_usd` is what they cost in US dollars: the provider's own word, else by known prices, else None.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cached_tokens + other.cached_tokens,
            sum(costs) if costs else None,
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """What runs count for in the budget of their key: tokens read and written, and what is known of their cost."""

    tokens: int = 0
    cost_usd: float = 0.0

    @classmethod
    def of(cls, usage: Usage) -> Spent:
        return cls(usage.input_tokens + usage.output_tokens, usage.cost_usd or 0.0)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.tokens + other.tokens, self.cost_usd + other.cost_usd)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds; 0 where the moment never came. See Timing in event.proto for what each runs from."""

    queue_ms: float = 0.0
    connect_ms: float = 0.0
    first_byte_ms: float = 0.0
    first_token_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a provider. `code` is empty for the attempt that answered."""

    model: str
    provider: str
    reasoning: bool
    status: int = 0
    code: str = ""
    message: str = ""
    total_ms: float = 0.0
