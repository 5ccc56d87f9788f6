"""What is asked of a model: the values that every dialect builds its request from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from thinkaloud_server.core.message import Message
from thinkaloud_server.core.usage import Usage

Effort = Literal["none", "minimal", "low", "medium", "high", "max"]
EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "max")


@dataclass(frozen=True, slots=True)
class ReasoningControl:
    """How much the model thinks; at most one of `effort` and `max_tokens` is set."""

    effort: Effort | None = None
    max_tokens: int | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of the caller; `parameters` is a JSON Schema as JSON text, forwarded verbatim."""

    name: str
    description: str
    parameters: str
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The form of the answer; `schema` is JSON text, forwarded verbatim."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = ""
    schema: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """Knobs; None is the provider's default."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars a token, as a listing or a table of ours says. `cached` and `reasoning` only where they differ.

    Above `prompt_tokens_max` tokens read, if it is not 0, another price holds, which is not known here.
    """

    input: float
    output: float
    cached: float | None = None
    reasoning: float | None = None
    prompt_tokens_max: int = 0

    def cost(self, usage: Usage) -> float | None:
        """What this usage costs; None where another price holds for it."""
        if self.prompt_tokens_max and usage.input_tokens > self.prompt_tokens_max:
            return None
        cached = min(usage.cached_tokens, usage.input_tokens)
        reasoning = min(usage.reasoning_tokens, usage.output_tokens)
        return (
            (usage.input_tokens - cached) * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + (usage.output_tokens - reasoning) * self.output
            + reasoning * (self.output if self.reasoning is None else self.reasoning)
        )


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known about a model; 0, None, "" and () where nothing is.

    `efforts` are the words that it takes for an effort, in its vendor's spelling, weakest first; `default_effort` is
    the one of them that a request without a control gets. `forms` are the ways in which it
    lets itself be told to think, in the words of its dialect's rows ("adaptive", "budget", "level").
    """

    name: str
    provider: str
    context_length: int = 0
    max_output_tokens: int = 0
    reasoning: Literal["none", "optional", "mandatory", ""] = ""
    vision: bool = False
    tools: bool = False
    efforts: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    price: Price | None = None
    default_effort: str = ""

    @property
    def id(self) -> str:
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request to one model. `model` is the provider's own name for it, without the provider.

    `info` is what is known about the model, or None. `plain` leaves every field about reasoning out, also those
    that only make it readable: a retry after a provider refused one.
    """

    model: str
    messages: tuple[Message, ...]
    reasoning: ReasoningControl | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    response_format: ResponseFormat | None = None
    info: ModelInfo | None = None
    plain: bool = False

    def without_reasoning(self) -> ModelRequest:
        """The same request with every reasoning field left out (which is not the same as "off")."""
        return replace(self, reasoning=None, plain=True)

    def with_efforts(self, provider: str, efforts: tuple[str, ...]) -> ModelRequest:
        """The same request to a model that is now known to take these words for an effort."""
        info = self.info or ModelInfo(self.model, provider)
        return replace(self, info=replace(info, efforts=efforts))

    def without_state(self) -> ModelRequest:
        """The same request with no reasoning in its history, neither opaque nor readable."""
        return replace(self, messages=tuple(replace(each, reasoning="", state=None) for each in self.messages))

    @property
    def holds_state(self) -> bool:
        """Whether there is reasoning in the history."""
        return any(each.state is not None or each.reasoning for each in self.messages)
