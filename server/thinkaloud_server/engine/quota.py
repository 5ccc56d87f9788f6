"""What each key uses: how many runs it has at once, and what they spend of its budget of the day (UTC).

Theory of operation. Every run of a key holds a share in the key's account, from before anything of it is stored until
it has ended. How many runs there are is how many shares there are: nothing is counted up and down that could drift.
Requests with one idempotency key make one run, and hold one share together.

What the day's ended runs have spent is read from the store when a first run with a budget begins. From then on it is
added to as runs end, by the very numbers that the store gets with their terminal events; what live runs have used so
far (meter.py) stands beside it. An account ends with its last share, so the next one reads the store again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.run import DAY_S, Closing, day_of
from thinkaloud_server.core.usage import Spent

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Clock, Store

# A run ends every moment; nobody knows which.
RUNS_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key may use where its own allowance does not say; 0 is no limit."""

    runs: int = 32
    tokens_per_day: int = 0
    cost_usd_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class DayBudget:
    """What a key may spend on a day, 0 for no limit, and what it has spent on this one, which `ends_at` then.

    Where it has a limit, what its live runs have used is part of that.
    """

    tokens: int
    cost_usd: float
    spent: Spent
    ends_at: float


class _Account:
    """What one key uses just now. `settled` is what ended runs spent on `day`; None where nobody has asked yet."""

    __slots__ = ("day", "live_tokens", "live_usd", "settled", "shares")

    def __init__(self) -> None:
        self.shares: dict[str | Share, Share] = {}
        self.day = 0
        self.settled: Spent | None = None
        self.live_tokens = 0
        self.live_usd = 0.0

    def turn_to(self, day: int) -> None:
        """Another day began, on which no run has ended yet."""
        if day > self.day:
            self.day, self.settled = day, Spent()

    @property
    def tokens(self) -> int:
        return self.live_tokens + (self.settled.tokens if self.settled else 0)

    @property
    def cost_usd(self) -> float:
        return self.live_usd + (self.settled.cost_usd if self.settled else 0.0)


class Quotas:
    """The accounts of all keys that have runs."""

    def __init__(self, *, limits: KeyLimits, stores: Sequence[Store], clock: Clock) -> None:
        self.clock = clock
        self._limits = limits
        self._stores = stores
        self._accounts: dict[tuple[str, str], _Account] = {}

    async def take(self, caller: Identity, idempotency_key: str) -> Share | None:
        """The caller's share for one more run, to be given back; None for callers without a key, who have no limits.

        Raises ChatError: TOO_MANY_RUNS, BUDGET_EXCEEDED.
        """
        if not caller.key_id:
            return None
        share = self._share(caller, idempotency_key)
        try:
            if share.limited:
                await self._read(caller, share.account)
                share.check()
        except BaseException:
            share.give_back()
            raise
        return share

    def runs(self, caller: Identity) -> int:
        """How many runs its key has, those included that are about to be stored."""
        account = self._accounts.get((caller.tenant, caller.key_id))
        return len(account.shares) if account else 0

    async def budget(self, caller: Identity) -> DayBudget | None:
        """What its key may spend and has spent today; None for callers without a key."""
        if not caller.key_id:
            return None
        day = day_of(self.clock.time())
        account = self._accounts.get((caller.tenant, caller.key_id))
        if account is not None and account.settled is not None:
            account.turn_to(day)
            spent = Spent(account.tokens, account.cost_usd)
        else:  # without a budget nobody weighs what live runs use
            spent = await self._stored(caller, day)
        return DayBudget(*self._limits_of(caller), spent, (day + 1.0) * DAY_S)

    def drop(self, owner: tuple[str, str]) -> None:
        """The last share of this account was given back."""
        del self._accounts[owner]

    def _share(self, caller: Identity, name: str) -> Share:
        owner = caller.tenant, caller.key_id
        account = self._accounts.get(owner) or _Account()
        share = account.shares.get(name) if name else None
        if share is None:
            most = self._limits.runs if caller.allowance.runs is None else caller.allowance.runs
            if most and len(account.shares) >= most:
                raise ChatError(
                    ErrorReason.TOO_MANY_RUNS,
                    f"this key has all the {most} runs that it may have at once: wait for one to end, or stop one",
                    retry_after_s=RUNS_RETRY_S,
                )
            share = Share(self, owner, account, name, *self._limits_of(caller))
            account.shares[name or share] = share
            self._accounts[owner] = account
        share.holders += 1
        return share

    def _limits_of(self, caller: Identity) -> tuple[int, float]:
        own, common = caller.allowance, self._limits
        return (
            common.tokens_per_day if own.tokens_per_day is None else own.tokens_per_day,
            common.cost_usd_per_day if own.cost_usd_per_day is None else own.cost_usd_per_day,
        )

    async def _read(self, caller: Identity, account: _Account) -> None:
        """Bring the account to this day, from the store where it has never been asked."""
        day = day_of(self.clock.time())
        if account.settled is not None:
            account.turn_to(day)
            return
        spent = await self._stored(caller, day)
        if account.settled is None:  # another call may have read it meanwhile, and a run have ended since
            account.day, account.settled = day, spent

    async def _stored(self, caller: Identity, day: int) -> Spent:
        spent = Spent()
        for store in self._stores:
            spent += await store.spent(caller.tenant, caller.key_id, day)
        return spent


class Share:
    """What one run uses of its key's account. Each `take` is given back exactly once, whatever happened."""

    __slots__ = (
        *("_cost_usd", "_cost_usd_max", "_name", "_owner", "_quotas", "_tokens", "_tokens_max", "account", "holders"),
    )

    def __init__(
        self,
        quotas: Quotas,
        owner: tuple[str, str],
        account: _Account,
        name: str,
        tokens_max: int,
        cost_usd_max: float,
    ) -> None:
        self.account = account
        self.holders = 0
        self._quotas = quotas
        self._owner = owner
        self._name = name
        self._tokens_max = tokens_max
        self._cost_usd_max = cost_usd_max
        self._tokens = 0
        self._cost_usd = 0.0

    @property
    def limited(self) -> bool:
        """Whether its key has a budget, so that what it spends must be known while it is spent."""
        return bool(self._tokens_max or self._cost_usd_max)

    @property
    def costs(self) -> bool:
        """Whether it has a budget of money."""
        return bool(self._cost_usd_max)

    def check(self) -> None:
        """Raises ChatError(BUDGET_EXCEEDED) when nothing is left of the budget."""
        if self._left() <= 0:
            raise self._exceeded()

    def use(self, tokens: int, cost_usd: float) -> None:
        """The run has used so much until now."""
        account = self.account
        account.live_tokens += tokens - self._tokens
        account.live_usd += cost_usd - self._cost_usd
        self._tokens, self._cost_usd = tokens, cost_usd

    def check_passed(self) -> None:
        """Raises ChatError(BUDGET_EXCEEDED) when more than the budget is used."""
        if self._left() < 0:
            self.account.turn_to(day_of(self._quotas.clock.time()))
            if self._left() < 0:
                raise self._exceeded()

    def give_back(self, closing: Closing | None = None) -> None:
        """The run has ended so, or there was none after all."""
        account = self.account
        self.holders -= 1
        if closing is not None:
            self.use(0, 0.0)
            if account.settled is not None:
                day = day_of(closing.ended_at)
                account.turn_to(day)
                if day == account.day:
                    account.settled += closing.spent
        if not self.holders:
            self.use(0, 0.0)
            del account.shares[self._name or self]
            if not account.shares:
                self._quotas.drop(self._owner)

    def _left(self) -> float:
        """What is left of the budget: 0 when one of its limits is reached, less when it is passed."""
        tokens = self._tokens_max - self.account.tokens if self._tokens_max else 1
        if not self._cost_usd_max:
            return tokens
        return min(tokens, self._cost_usd_max - self.account.cost_usd)

    def _exceeded(self) -> ChatError:
        now = self._quotas.clock.time()
        over = bool(self._tokens_max) and self.account.tokens >= self._tokens_max
        what = f"{self._tokens_max} tokens" if over else f"{self._cost_usd_max:g} US dollars"
        return ChatError(
            ErrorReason.BUDGET_EXCEEDED,
            f"this key has spent the {what} that it may spend on a day; the next one begins at midnight, UTC",
            retry_after_s=max((day_of(now) + 1) * DAY_S - now, 0.0),
        )
