"""The models that can be asked: what providers list, what configuration adds, and which one is current.

Only an unknown provider, or a name that is absent from a fresh listing of a provider that lists everything, is refused
unasked; otherwise the provider's own answer counts. The listings are kept in `listings.py` beside this file.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.request import ModelInfo, ReasoningControl
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.engine.listings import WITHIN_S, Listings

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Clock, Provider, Store

# A turn waits at most so long to learn how its model is told to think.
KNOWN_WITHIN_S = 2.0
# Another process may switch the model; this one notices so soon, and reads no setting for each turn until then.
CHOSEN_FRESH_S = 1.0
NEAR_NAMES_MAX = 5

_CURRENT = "current_model"
# What makes a pattern of a name.
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that a turn may ask: its id as users type it, and the provider with its own name for it."""

    id: str
    provider: Provider
    name: str


class Models:
    """Providers by name, their models, and each tenant's current one."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        configured: Mapping[str, Sequence[str]],
        default_model: str,
        store: Store,
        clock: Clock,
        listed_within_s: float = WITHIN_S,
    ) -> None:
        self.providers = providers
        self._configured = dict(configured)
        provider, _, name = default_model.partition("/")
        if provider in providers and not providers[provider].lists_all:
            # The default is listed too, also where its provider lists nothing.
            self._configured[provider] = (*configured.get(provider, ()), name)
        self._default = default_model
        self._store = store
        self._clock = clock
        self._listings = Listings(providers, clock, within_s=listed_within_s)
        self._chosen: dict[str, tuple[str | None, float]] = {}

    def resolve(self, model_id: str, caller: Identity) -> Candidate:
        """Who answers for this id. Raises ChatError(MODEL_NOT_FOUND) with near names that the caller may ask."""
        provider_name, _, name = model_id.partition("/")
        provider = self.providers.get(provider_name)
        if provider is None or not name:
            raise self.not_found(model_id, caller)
        if provider.lists_all and self._listings.complete(provider_name) and not self._has(provider_name, name):
            raise self.not_found(model_id, caller)
        return Candidate(model_id, provider, name)

    def not_found(self, model_id: str, caller: Identity) -> ChatError:
        """The error for a model that nobody has; its details offer near names that the caller may ask."""
        near = _near(model_id, [each for each in self._ids() if caller.allows(each)])
        hint = f"; near names: {', '.join(near)}" if near else "; list what there is with ListModels"
        return ChatError(
            ErrorReason.MODEL_NOT_FOUND,
            f"no configured provider has the model {model_id[:200]!r}{hint}",
            details={"near": near},
        )

    async def check(self, model_id: str, caller: Identity) -> Candidate:
        """`resolve`, after listing a provider that lists everything and costs nothing to ask.

        This is the one way to a model. Raises ChatError: MODEL_NOT_ALLOWED, MODEL_NOT_FOUND.
        """
        caller.check_model(model_id)
        provider = self.providers.get(model_id.partition("/")[0])
        if provider is None or provider.lists_all:
            await self._listings.refresh(name for name, each in self.providers.items() if each.lists_all)
        return self.resolve(model_id, caller)

    async def refused(self, model_id: str, caller: Identity) -> ChatError:
        """The error for a model that its own provider does not know, with that provider's near names."""
        await self._listings.refresh([model_id.partition("/")[0]])
        return self.not_found(model_id, caller)

    async def list(
        self, caller: Identity, *, provider: str = "", search: str = "", min_context: int = 0, reasoning: str = ""
    ) -> tuple[Sequence[ModelInfo], Sequence[str]]:
        """The caller's models in the order of providers, then names, and notes on what could not be listed.

        `reasoning` is "none", "optional", "mandatory", "any" for all that can, or "" for all.
        """
        wanted = [provider] if provider else list(self.providers)
        if provider and provider not in self.providers:
            raise ChatError(
                ErrorReason.NOT_FOUND,
                f"no provider is configured as {provider[:100]!r}; there are: {', '.join(self.providers)}",
            )
        await self._listings.refresh(wanted)
        models = [model for name in wanted for model in self._infos(name)]
        notes = [note for name in wanted if (note := self._listings.note(name))]
        kinds = ("optional", "mandatory") if reasoning == "any" else (reasoning,)
        found = [
            model
            for model in models
            if caller.allows(model.id)
            and search.casefold() in model.id.casefold()
            and model.context_length >= min_context
            and (not reasoning or model.reasoning in kinds)
        ]
        return found, notes

    async def known(self, candidate: Candidate, control: ReasoningControl | None) -> ModelInfo:
        """What is known of the model, for its request: as listed, also a while ago, else from the provider's table.

        Waits for the listing only where that tells how the model is told to think, and only for the first one.
        """
        provider = candidate.provider
        if control is not None and provider.tells_reasoning and not self._listings.tried(provider.name):
            await self._listings.refresh([provider.name], KNOWN_WITHIN_S)
        return self._info(candidate)

    def costed(self, candidate: Candidate, usage: Usage) -> Usage:
        """The usage with what it cost by known prices, where the provider did not say."""
        if usage.cost_usd is not None or not (usage.input_tokens or usage.output_tokens):
            return usage
        price = self._info(candidate).price
        return usage if price is None else replace(usage, cost_usd=price.cost(usage))

    async def close(self) -> None:
        """Stop asking providers."""
        await self._listings.close()

    async def current(self, tenant: str, caller: Identity) -> str:
        """The id of the model that is used when a request names none; "" where the caller may use none at all.

        It is the tenant's, else the server's, else the first that the caller may ask.
        """
        chosen = await self._chosen_by(tenant)
        if caller.allows(chosen):
            return chosen
        if caller.allows(self._default):
            return self._default
        named = (each for each in caller.models if each.partition("/")[0] in self.providers and not _WILD & {*each})
        listed = (each for each in self._ids() if caller.allows(each))
        return next(named, "") or next(listed, "") or await self._first_listed(caller)

    async def _first_listed(self, caller: Identity) -> str:
        models, _ = await self.list(caller)
        return next((model.id for model in models), "")

    async def _chosen_by(self, tenant: str) -> str:
        chosen, read_at = self._chosen.get(tenant, (None, 0.0))
        now = self._clock.monotonic()
        if not read_at or now - read_at > CHOSEN_FRESH_S:
            chosen = await self._store.get_setting(tenant, _CURRENT)
            self._chosen[tenant] = (chosen, now)
        if chosen is not None and chosen.partition("/")[0] in self.providers:
            return chosen
        return self._default

    async def switch(self, tenant: str, caller: Identity, model_id: str) -> str:
        """Use another model from now on. Raises ChatError: MODEL_NOT_ALLOWED, MODEL_NOT_FOUND."""
        candidate = await self.check(model_id, caller)
        await self._store.put_setting(tenant, _CURRENT, candidate.id)
        self._chosen[tenant] = (candidate.id, self._clock.monotonic())
        return candidate.id

    def _ids(self) -> Iterator[str]:
        """Every model that is known just now, in the order of providers."""
        return (f"{provider}/{info.name}" for provider in self.providers for info in self._infos(provider))

    def _has(self, provider: str, name: str) -> bool:
        return self._listings.model(provider, name) is not None or name in self._configured.get(provider, ())

    def _infos(self, provider: str) -> Sequence[ModelInfo]:
        infos = {model.name: model for model in self._listings.models(provider)}
        for name in self._configured.get(provider, ()):
            infos.setdefault(name, self.providers[provider].known(name))
        return sorted(infos.values(), key=lambda model: model.name)

    def _info(self, candidate: Candidate) -> ModelInfo:
        listed = self._listings.model(candidate.provider.name, candidate.name)
        return listed or candidate.provider.known(candidate.name)


def _near(model_id: str, known: Sequence[str]) -> list[str]:
    """Up to five ids that somebody may have meant: close as a whole, in the model's own name, or in the provider's."""
    wanted = model_id.casefold()[:200]
    by_fold = {each.casefold(): each for each in known}
    whole = difflib.get_close_matches(wanted, by_fold, NEAR_NAMES_MAX, 0.6)
    last = {each.rpartition("/")[2]: each for each in by_fold}
    names = [last[name] for name in difflib.get_close_matches(wanted.rpartition("/")[2], last, NEAR_NAMES_MAX, 0.6)]
    within = [each for each in by_fold if wanted and wanted in each]
    theirs = difflib.get_close_matches(wanted.partition("/")[0], {each.partition("/")[0] for each in by_fold}, 1, 0.6)
    of_provider = [each for each in by_fold if each.partition("/")[0] in theirs]
    return [by_fold[each] for each in dict.fromkeys([*whole, *names, *within, *of_provider])][:NEAR_NAMES_MAX]
