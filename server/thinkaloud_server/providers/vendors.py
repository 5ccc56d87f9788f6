"""What a vendor does its own way, as data: the shape of a row. The rows are in `rows/`.

A row says where the vendor is found (host, path, port), what it wants in a request (`Reasoning`, field names), and
what its streams may lack. Nothing here knows how a request is built or a stream is read: dialects read the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from thinkaloud_server.core.request import Effort, ModelInfo

Fields = Mapping[str, Any]


def _nothing() -> Fields:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How a request says how much to think.

    `effort`, `budget` and `summary` are the paths ("reasoning.effort") of the fields that take the effort's word, a
    token count, and the kind of summary; "" where there is none. An effort that `words` lacks has no word.
    `on` goes into every request that asks for thinking, `bare` into one that names neither effort nor budget, and
    `off` is what the effort "none" becomes (None: it is a word like the others).
    `shown` goes into every request to a model that thinks unasked: it makes the thoughts readable and changes
    nothing about how much is thought. `budget_min` and `budget_max` bound the budget; 0 is no bound.
    `tool_headers` go with a request that has tools and asks for thinking. `sampling` is "strict" where thinking goes
    with few settings of the other knobs, "none" where a model takes no temperature and no top_p at all.
    """

    effort: str = ""
    words: Mapping[Effort, str | int] = field(default_factory=lambda: MappingProxyType({}))
    on: Fields = field(default_factory=_nothing)
    bare: Fields = field(default_factory=_nothing)
    off: Fields | None = None
    budget: str = ""
    summary: str = ""
    shown: Fields = field(default_factory=_nothing)
    budget_min: int = 0
    budget_max: int = 0
    tool_headers: tuple[tuple[str, str], ...] = ()
    sampling: Literal["free", "strict", "none"] = "free"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row: a vendor in one dialect, where it is found, and its own ways.

    Found by `hosts` (a host, or the end of one: ".azure.com"), narrowed by `paths` (pieces of the URL's path), or by
    `ports` (plain http only). `base_url` and `key_env` are for discovery; the path of `base_url` is taken where a
    configured URL has none. An `alternate` row is found only where its dialect was asked for by name: the vendor's
    other row is what it speaks by itself.
    """

    name: str
    dialect: str = "openai-chat"
    alternate: bool = False
    base_url: str = ""
    key_env: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    # The header that carries the key; "authorization" puts "Bearer " before it.
    key_header: str = "authorization"
    # Without a key its requests carry Amazon's signature, for the service of this name (app/aws.py).
    signed_for: str = ""
    # Headers of every request to it.
    headers: tuple[tuple[str, str], ...] = ()
    # Added to the query of a URL with this piece in its path, where it is not there yet.
    query: tuple[tuple[str, str, str], ...] = ()
    # Where a chat is posted to and models are listed; "{model}" becomes the model's name.
    chat_path: str = "/chat/completions"
    models_path: str = "/models"
    # Fields of every body.
    body: Fields = field(default_factory=_nothing)
    # It sends comments or pings while it works, so a shorter silence means that it is gone.
    pings: bool = False
    # Its streams may end with the format's end mark and no reason to finish.
    finish_optional: bool = False
    # Its listing tells how a model is told to think, so it is worth a look before the first request that does.
    lists_reasoning: bool = False
    # It takes `stream_options: {include_usage: true}`; False where usage comes by itself or the field is refused.
    usage_option: bool = True
    max_tokens_field: str = "max_tokens"
    seed_field: str = "seed"
    # The word of `tool_choice` for "some tool must be called".
    tool_required: str = "required"
    # Fields of the assistant's message that it wants back verbatim in the next request.
    replay: tuple[str, ...] = ()
    reasoning: Reasoning = field(default_factory=Reasoning)
    # Controls by a form that the model's listing names (ModelInfo.forms): the first pair that it has. "form:part" is
    # for models with that part in their names.
    by_form: tuple[tuple[str, Reasoning], ...] = ()
    # Models whose controls differ: the first pair whose text is in the model's name.
    by_model: tuple[tuple[str, Reasoning], ...] = ()

    def reasoning_of(self, model: str, info: ModelInfo | None = None) -> Reasoning:
        """The controls of this model: as its listing has them, else as its name suggests, else the vendor's."""
        name = model.lower()
        if info is not None and info.forms:
            for form, row in self.by_form:
                form, _, part = form.partition(":")
                if form in info.forms and part in name:
                    return row
        return next((row for part, row in self.by_model if part in name), self.reasoning)
