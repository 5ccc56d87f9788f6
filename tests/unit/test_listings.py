"""Listings: asked in parallel, kept, served while they are asked again, and never waited for in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fakes.clock import FakeClock
from fakes.scripted import ScriptedProvider, SilentListing, say
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.engine import listings as listings_module
from thinkaloud_server.engine.listings import FAILED_FRESH_S, FRESH_S, STALE_S, Listings

SOON_S = 0.05


class Vendor(ScriptedProvider):
    """A provider whose listing waits for the test, fails when told to, and counts how often it was asked."""

    lists_all = False

    def __init__(self, name: str, *models: str) -> None:
        super().__init__(lambda request: say(), name=name, models=models)
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        self.error: Exception | None = None

    async def models(self) -> Sequence[ModelInfo]:
        self.asked += 1
        self.was_asked.set()
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return await super().models()

    def now(self, *models: str) -> None:
        self._models = models


def listings_of(*providers: ScriptedProvider, clock: FakeClock | None = None, within_s: float = 5.0) -> Listings:
    return Listings({each.name: each for each in providers}, clock or FakeClock(), within_s=within_s)


def names(listings: Listings, provider: str) -> list[str]:
    return [model.name for model in listings.models(provider)]


async def settled(listings: Listings) -> None:
    """Every listing that is being asked for has come."""
    await asyncio.gather(*listings._asking.values())


async def test_all_are_asked_at_once() -> None:
    vendors = [Vendor(f"v{number}", "m") for number in range(5)]
    for vendor in vendors:
        vendor.answers.clear()
    listings = listings_of(*vendors)
    waiting = asyncio.create_task(listings.refresh([vendor.name for vendor in vendors]))
    for vendor in vendors:
        await vendor.was_asked.wait()
    for vendor in vendors:
        vendor.answers.set()
    await waiting
    assert all(names(listings, vendor.name) == ["m"] for vendor in vendors)


async def test_one_that_stalls_holds_nobody_up_beyond_the_limit_and_is_a_note() -> None:
    slow, quick = Vendor("slow", "late"), Vendor("quick", "m")
    slow.answers.clear()
    listings = listings_of(slow, quick, within_s=SOON_S)
    async with asyncio.timeout(5.0):
        await listings.refresh(["slow", "quick"])
    assert names(listings, "quick") == ["m"]
    assert (names(listings, "slow"), listings.note("slow")) == ([], "slow: no answer within 0.05 s")
    slow.answers.set()
    await settled(listings)
    assert (names(listings, "slow"), listings.note("slow"), slow.asked) == (["late"], "", 1)


async def test_what_many_want_at_once_is_asked_for_once() -> None:
    vendor = Vendor("v", "m")
    vendor.answers.clear()
    listings = listings_of(vendor)
    waiting = [asyncio.create_task(listings.refresh(["v"])) for _ in range(10)]
    await vendor.was_asked.wait()
    waiting[0].cancel()
    vendor.answers.set()
    await asyncio.gather(*waiting[1:])
    assert (vendor.asked, names(listings, "v")) == (1, ["m"])


async def test_a_fresh_listing_is_not_asked_for_again() -> None:
    vendor, clock = Vendor("v", "m"), FakeClock()
    listings = listings_of(vendor, clock=clock)
    await listings.refresh(["v"])
    clock.advance(FRESH_S - 1)
    await listings.refresh(["v"])
    assert (vendor.asked, listings.complete("v")) == (1, True)


async def test_an_older_one_is_served_while_it_is_asked_for_again() -> None:
    vendor, clock = Vendor("v", "one"), FakeClock()
    listings = listings_of(vendor, clock=clock)
    await listings.refresh(["v"])
    vendor.now("two")
    vendor.answers.clear()
    clock.advance(FRESH_S + 1)
    await listings.refresh(["v"])
    assert (names(listings, "v"), listings.complete("v")) == (["one"], False)
    vendor.answers.set()
    await settled(listings)
    assert (names(listings, "v"), listings.complete("v")) == (["two"], True)


async def test_a_very_old_one_is_waited_for() -> None:
    vendor, clock = Vendor("v", "one"), FakeClock()
    listings = listings_of(vendor, clock=clock)
    await listings.refresh(["v"])
    vendor.now("two")
    clock.advance(STALE_S + 1)
    await listings.refresh(["v"])
    assert names(listings, "v") == ["two"]


async def test_one_that_costs_nothing_is_never_served_old() -> None:
    demo, clock = ScriptedProvider(lambda request: say(), name="demo", models=("one",)), FakeClock()
    listings = listings_of(demo, clock=clock)
    await listings.refresh(["demo"])
    demo._models = ("two",)
    clock.advance(FRESH_S + 1)
    await listings.refresh(["demo"])
    assert names(listings, "demo") == ["two"]


async def test_a_failure_keeps_what_was_listed_before_and_says_so() -> None:
    vendor, clock = Vendor("v", "m"), FakeClock()
    listings = listings_of(vendor, clock=clock)
    await listings.refresh(["v"])
    vendor.error = ChatError(ErrorReason.UPSTREAM_AUTH, "the key is wrong")
    clock.advance(FRESH_S + 1)
    await listings.refresh(["v"])
    await settled(listings)
    assert (names(listings, "v"), listings.note("v")) == (["m"], "v: the key is wrong")
    assert not listings.complete("v")


async def test_one_that_failed_is_asked_again_soon_but_not_at_each_call() -> None:
    vendor, clock = Vendor("v", "m"), FakeClock()
    vendor.error = ChatError(ErrorReason.UPSTREAM_ERROR, "down")
    listings = listings_of(vendor, clock=clock)
    for _ in range(3):
        await listings.refresh(["v"])
    assert (vendor.asked, listings.note("v")) == (1, "v: down")
    vendor.error = None
    clock.advance(FAILED_FRESH_S + 1)
    await listings.refresh(["v"])
    assert (vendor.asked, names(listings, "v"), listings.note("v")) == (2, ["m"], "")


async def test_one_that_failed_before_is_waited_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings_module, "AGAIN_WITHIN_S", SOON_S)
    vendor, clock = Vendor("v", "m"), FakeClock()
    vendor.error = ChatError(ErrorReason.UPSTREAM_ERROR, "down")
    listings = listings_of(vendor, clock=clock, within_s=600.0)
    await listings.refresh(["v"])
    vendor.answers.clear()
    clock.advance(FAILED_FRESH_S + 1)
    async with asyncio.timeout(5.0):
        await listings.refresh(["v"])
    assert listings.note("v") == "v: down"
    await listings.close()


async def test_a_bug_in_one_listing_is_a_note_and_none_of_the_others_business(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, well = Vendor("broken"), Vendor("well", "m")
    broken.error = KeyError("sk-secret")
    listings = listings_of(broken, well)
    await listings.refresh(["broken", "well"])
    assert (listings.note("broken"), names(listings, "well")) == ("broken: internal error", ["m"])
    assert [record.message for record in caplog.records] == ["listing_failed"]


async def test_names_of_nobody_are_left_alone() -> None:
    listings = listings_of(Vendor("v", "m"))
    await listings.refresh(["nobody", ""])
    assert (listings.models("nobody"), listings.note("nobody"), listings.tried("v")) == ((), "", False)


async def test_closing_ends_what_is_being_asked() -> None:
    vendor = Vendor("v", "m")
    vendor.answers.clear()
    listings = listings_of(vendor, within_s=SOON_S)
    await listings.refresh(["v"])
    (task,) = listings._asking.values()
    await listings.close()
    assert task.cancelled()


async def test_a_provider_that_cannot_list_leaves_its_words() -> None:
    listings = listings_of(SilentListing(lambda request: say(), name="silent"))
    await listings.refresh(["silent"])
    assert listings.note("silent") == "silent: no listing here"
