"""The seam of a dialect: a request value out, bytes in, deltas out. Nothing here waits.

A dialect is one wire format, spoken by many vendors; what a vendor does its own way is data in `Vendor`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from thinkaloud_server.core.delta import Failure, StreamDecoder
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.vendors import Vendor


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A configured provider as its dialect needs to know it. The key is in no repr."""

    provider: str
    base_url: str
    vendor: Vendor
    api_key: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    starts_in_reasoning: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, ready to send. Headers may hold the key and are in no repr.

    `reasoning_sent` says that it holds a field about reasoning, which a provider may refuse; `adjusted` what the
    caller should know of a control that could not be said as it was asked for.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    reasoning_sent: bool = False
    adjusted: tuple[str, ...] = ()


class Dialect(Protocol):
    """One wire format. Implementations are modules of pure functions behind one frozen value."""

    @property
    def name(self) -> str:
        """The name in configuration, as "openai-chat"."""

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        """A decoder for the answer to this request."""

    def failure(
        self, endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes, *, reasoning_sent: bool
    ) -> Failure:
        """What an answer that is no stream means (status >= 400, or a 2xx of a wrong content type).

        Header names are lower case. `now`-dependent retry hints (HTTP dates) are resolved against the answer's
        own `date` header.
        """

    def listing(self, endpoint: Endpoint) -> HttpRequest:
        """The request that lists the models."""

    def models(self, endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
        """The models of a listing's body. Raises ValueError for a body that is no listing."""

    def detail(self, endpoint: Endpoint, model: ModelInfo) -> HttpRequest | None:
        """The request for what the listing did not say of this model; None where the listing says it all."""

    def detailed(self, endpoint: Endpoint, model: ModelInfo, body: bytes) -> ModelInfo | None:
        """The model with what the answer to `detail` says; None for one that turns out not to chat.

        Raises ValueError for a body that says nothing.
        """
