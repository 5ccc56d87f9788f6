"""Which models there are, which one is current, and what is refused unasked."""

from __future__ import annotations

import asyncio

import pytest

from fakes.clock import FakeClock
from fakes.scripted import ScriptedProvider, SilentListing, say
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import ANYBODY, Identity
from thinkaloud_server.core.request import ModelInfo, ModelRequest, Price, ReasoningControl
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.engine import models as models_module
from thinkaloud_server.engine.listings import FAILED_FRESH_S, FRESH_S
from thinkaloud_server.engine.models import CHOSEN_FRESH_S, Models
from thinkaloud_server.engine.ports import Provider
from thinkaloud_server.stores.memory import MemoryStore


def script(request: ModelRequest):  # type: ignore[no-untyped-def]  # never asked
    return say()


def demo(*names: str) -> ScriptedProvider:
    return ScriptedProvider(script, name="demo", models=names or ("reasoner", "plain"))


def vendor(*names: str) -> ScriptedProvider:
    """A provider that lists models and knows more than it lists."""
    provider = ScriptedProvider(script, name="vendor", models=names)
    provider.lists_all = False
    return provider


def models_of(*providers: Provider, clock: FakeClock | None = None, **configured: tuple[str, ...]) -> Models:
    return Models(
        providers={each.name: each for each in providers},
        configured=configured,
        default_model="demo/reasoner",
        store=MemoryStore(),
        clock=clock or FakeClock(),
    )


async def reason_of(models: Models, model_id: str) -> ChatError:
    with pytest.raises(ChatError) as caught:
        await models.check(model_id, ANYBODY)
    assert caught.value.reason is ErrorReason.MODEL_NOT_FOUND
    return caught.value


async def test_a_model_is_its_provider_and_its_own_name() -> None:
    candidate = await models_of(demo()).check("demo/plain", ANYBODY)
    assert (candidate.id, candidate.provider.name, candidate.name) == ("demo/plain", "demo", "plain")


async def test_a_providers_own_name_may_hold_slashes() -> None:
    assert models_of(vendor()).resolve("vendor/openai/gpt-x", ANYBODY).name == "openai/gpt-x"


@pytest.mark.parametrize("model_id", ["", "demo", "demo/", "/plain", "nobody/plain"])
async def test_what_names_no_provider_and_model_is_refused(model_id: str) -> None:
    await reason_of(models_of(demo()), model_id)


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("demo/reasonr", "demo/reasoner"),
        ("dema/plain", "demo/plain"),
        ("plain", "demo/plain"),
        ("DEMO/PLAIN", "demo/plain"),
    ],
)
async def test_near_names_are_offered(wanted: str, near: str) -> None:
    error = await reason_of(models_of(demo()), wanted)
    assert near in error.details["near"]
    assert near in error.message


async def test_a_name_that_a_complete_listing_lacks_is_refused_unasked() -> None:
    await reason_of(models_of(demo()), "demo/other")


async def test_a_name_that_a_vendors_listing_lacks_is_the_vendors_to_refuse() -> None:
    models = models_of(demo(), vendor("listed"))
    await models.list(ANYBODY)
    assert (await models.check("vendor/alias", ANYBODY)).name == "alias"


async def test_a_huge_model_id_is_refused_in_a_short_message() -> None:
    assert len((await reason_of(models_of(demo()), "x" * 100_000)).message) < 500


async def test_a_list_is_ordered_filtered_and_notes_what_is_silent() -> None:
    models = models_of(demo(), SilentListing(script, name="silent"), silent=("configured",))
    found, notes = await models.list(ANYBODY)
    assert [model.id for model in found] == ["demo/plain", "demo/reasoner", "silent/configured"]
    assert notes == ["silent: no listing here"]
    assert [model.id for model in (await models.list(ANYBODY, search="PLAIN"))[0]] == ["demo/plain"]
    assert [model.id for model in (await models.list(ANYBODY, provider="silent"))[0]] == ["silent/configured"]
    assert (await models.list(ANYBODY, min_context=1))[0] == []
    with pytest.raises(ChatError) as caught:
        await models.list(ANYBODY, provider="nobody")
    assert caught.value.reason is ErrorReason.NOT_FOUND


async def test_a_listing_is_kept_for_a_while_and_a_failed_one_for_less() -> None:
    clock = FakeClock()
    provider = demo("one")
    models = models_of(provider, clock=clock)
    await models.list(ANYBODY)
    provider._models = ("two",)
    assert [model.name for model in (await models.list(ANYBODY))[0]] == ["one"]
    clock.advance(FRESH_S + 1)
    assert [model.name for model in (await models.list(ANYBODY))[0]] == ["two"]
    assert FAILED_FRESH_S < FRESH_S


async def test_the_default_model_is_listed_by_a_provider_that_lists_nothing() -> None:
    silent = SilentListing(script, name="silent")
    models = Models(
        providers={"silent": silent}, configured={}, default_model="silent/m", store=MemoryStore(), clock=FakeClock()
    )
    found, notes = await models.list(ANYBODY)
    assert ([model.id for model in found], notes) == (["silent/m"], ["silent: no listing here"])


async def test_a_configured_name_is_listed_with_what_is_known_of_it() -> None:
    provider = vendor("listed")
    provider.table["named"] = ModelInfo("named", "vendor", 1000, reasoning="optional")
    found, _ = await models_of(provider, vendor=("named", "listed", "strange")).list(ANYBODY)
    assert [(model.name, model.context_length) for model in found] == [("listed", 0), ("named", 1000), ("strange", 0)]


@pytest.mark.parametrize(
    ("reasoning", "names"),
    [
        ("", ["always", "maybe", "never", "unknown"]),
        ("any", ["always", "maybe"]),
        ("mandatory", ["always"]),
        ("optional", ["maybe"]),
        ("none", ["never"]),
    ],
)
async def test_models_are_chosen_by_how_they_reason(reasoning: str, names: list[str]) -> None:
    provider = vendor("never", "unknown", "always", "maybe")
    provider.table = {
        "always": ModelInfo("always", "vendor", reasoning="mandatory"),
        "maybe": ModelInfo("maybe", "vendor", reasoning="optional"),
        "never": ModelInfo("never", "vendor", reasoning="none"),
    }
    found, _ = await models_of(demo(), provider).list(ANYBODY, provider="vendor", reasoning=reasoning)
    assert [model.name for model in found] == names


HARD = ReasoningControl(effort="high")


class TestKnown:
    def provider(self, *, tells: bool) -> ScriptedProvider:
        provider = vendor("m")
        provider.tells_reasoning = tells
        provider.table["m"] = ModelInfo("m", "vendor", forms=("adaptive",))
        return provider

    async def test_a_first_request_waits_for_a_listing_that_tells_how_to_ask(self) -> None:
        models = models_of(self.provider(tells=True))
        models.providers["vendor"].table.clear()  # type: ignore[attr-defined]  # what the table knows, not the listing
        candidate = models.resolve("vendor/m", ANYBODY)
        assert (await models.known(candidate, HARD)).forms == ()
        assert models._listings.tried("vendor")

    @pytest.mark.parametrize(("tells", "control"), [(False, HARD), (True, None)])
    async def test_other_requests_take_what_is_there(self, tells: bool, control: ReasoningControl | None) -> None:
        models = models_of(self.provider(tells=tells))
        assert (await models.known(models.resolve("vendor/m", ANYBODY), control)).forms == ("adaptive",)
        assert not models._listings.tried("vendor")

    async def test_a_listing_is_taken_however_old_it_is(self) -> None:
        clock = FakeClock()
        provider = self.provider(tells=True)
        models = models_of(provider, clock=clock)
        await models.list(ANYBODY)
        provider.table.clear()
        clock.advance(100 * FRESH_S)
        assert (await models.known(models.resolve("vendor/m", ANYBODY), HARD)).forms == ("adaptive",)

    async def test_a_listing_that_does_not_come_is_waited_for_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(models_module, "KNOWN_WITHIN_S", 0.05)
        provider = self.provider(tells=True)
        asked = 0

        async def never() -> list[ModelInfo]:
            nonlocal asked
            asked += 1
            await asyncio.Event().wait()
            return []

        provider.models = never  # type: ignore[method-assign]  # a listing that stalls
        models = models_of(provider)
        async with asyncio.timeout(5.0):
            for _ in range(3):
                assert (await models.known(models.resolve("vendor/m", ANYBODY), HARD)).forms == ("adaptive",)
        assert asked == 1
        await models.close()


PRICE = Price(1e-6, 2e-6)


@pytest.mark.parametrize(
    ("price", "usage", "cost"),
    [
        (PRICE, Usage(1000, 100), 0.0012),
        (PRICE, Usage(1000, 100, cost_usd=7.0), 7.0),
        (PRICE, Usage(), None),
        (None, Usage(1000, 100), None),
        (Price(0, 0), Usage(1000, 100), 0.0),
    ],
)
async def test_a_cost_is_the_providers_word_or_by_known_prices(
    price: Price | None, usage: Usage, cost: float | None
) -> None:
    provider = vendor("m")
    provider.table["m"] = ModelInfo("m", "vendor", price=price)
    models = models_of(provider)
    found = models.costed(models.resolve("vendor/m", ANYBODY), usage).cost_usd
    assert found == (None if cost is None else pytest.approx(cost))


async def test_a_tenant_switches_its_own_model_only() -> None:
    models = models_of(demo())
    assert await models.current("a", ANYBODY) == "demo/reasoner"
    assert await models.switch("a", ANYBODY, "demo/plain") == "demo/plain"
    assert (await models.current("a", ANYBODY), await models.current("b", ANYBODY)) == ("demo/plain", "demo/reasoner")


async def test_a_switch_to_a_model_that_is_not_there_changes_nothing() -> None:
    models = models_of(demo())
    with pytest.raises(ChatError):
        await models.switch("a", ANYBODY, "demo/other")
    assert await models.current("a", ANYBODY) == "demo/reasoner"


async def test_a_switch_in_another_process_is_noticed_soon() -> None:
    clock = FakeClock()
    models = models_of(demo(), clock=clock)
    assert await models.current("a", ANYBODY) == "demo/reasoner"
    await models._store.put_setting("a", "current_model", "demo/plain")
    clock.advance(CHOSEN_FRESH_S + 0.1)
    assert await models.current("a", ANYBODY) == "demo/plain"


async def test_a_current_model_whose_provider_is_gone_gives_way_to_the_default() -> None:
    models = models_of(demo())
    await models._store.put_setting("a", "current_model", "gone/model")
    assert await models.current("a", ANYBODY) == "demo/reasoner"


def key_for(*models: str) -> Identity:
    return Identity(tenant="a", key_id="k", scopes=frozenset(("chat",)), models=models)


@pytest.mark.parametrize("model", ["demo/plain", "demo/no-such-model", "nobody/x", ""])
async def test_a_model_that_the_key_may_not_ask_is_refused_alike_whether_it_is_there_or_not(model: str) -> None:
    with pytest.raises(ChatError, match=r"it may use vendor/\*") as caught:
        await models_of(demo(), vendor("m")).check(model, key_for("vendor/*"))
    assert caught.value.reason is ErrorReason.MODEL_NOT_ALLOWED
    assert not caught.value.details


async def test_near_names_are_those_that_the_key_may_ask() -> None:
    models = models_of(demo("plain", "plane"), vendor("plain"))
    await models.list(ANYBODY)
    with pytest.raises(ChatError) as caught:
        await models.check("demo/plaine", key_for("demo/plain?", "demo/plane"))
    assert caught.value.details == {"near": ["demo/plane"]}
    assert (await models.refused("vendor/plaine", key_for("demo/plain", "vendor/plaine"))).details["near"] == [
        "demo/plain"
    ]


async def test_a_key_sees_the_models_that_it_may_ask() -> None:
    models = models_of(demo(), vendor("m", "n"))
    assert [model.id for model in (await models.list(key_for("vendor/n", "demo/p*")))[0]] == ["demo/plain", "vendor/n"]


@pytest.mark.parametrize(
    ("allowed", "current"),
    [
        (("demo/*",), "demo/plain"),
        (("demo/reasoner", "vendor/*"), "demo/reasoner"),
        (("vendor/*", "gone/x", "vendor/unlisted"), "vendor/unlisted"),
        (("vendor/*",), "vendor/m"),
        (("gone/*",), ""),
    ],
    ids=["the tenant's", "the server's", "a named one", "the first listed", "none"],
)
async def test_the_current_model_is_one_that_the_key_may_ask(allowed: tuple[str, ...], current: str) -> None:
    models = models_of(demo(), vendor("m", "n"))
    await models.switch("a", ANYBODY, "demo/plain")
    assert await models.current("a", key_for(*allowed)) == current


async def test_a_key_may_not_switch_to_a_model_that_it_may_not_ask() -> None:
    models = models_of(demo())
    with pytest.raises(ChatError) as caught:
        await models.switch("a", key_for("demo/reasoner"), "demo/plain")
    assert caught.value.reason is ErrorReason.MODEL_NOT_ALLOWED
    assert await models.current("a", ANYBODY) == "demo/reasoner"
