"""A server with limits and keys: whoever sends "Bearer KEY" is KEY, unless it is a bad one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from fakes.engine import FakeEngine
from fakes.rpc import Served, serving
from thinkaloud_server.app.window import BoundedStorage, LimitsWindow
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import SCOPES, Allowance, Identity
from thinkaloud_server.rpc.throttle import Rates, Throttling, Windows
from thinkaloud_server.rpc.window import Window


class Keys:
    """Satisfies rpc.identify.Authenticator. `looked_at` counts."""

    def __init__(self, allowances: Mapping[str, Allowance] | None = None) -> None:
        self.looked_at = 0
        self._allowances = allowances or {}

    async def identify(self, credential: str) -> Identity:
        self.looked_at += 1
        if credential.startswith("bad"):
            raise ChatError(ErrorReason.AUTH_INVALID, "the credential is not valid")
        return Identity(
            "default", credential, frozenset(SCOPES), allowance=self._allowances.get(credential, Allowance())
        )

    async def socket_token(self, identity: Identity, path: str) -> tuple[str, float]:
        raise NotImplementedError

    async def redeem(self, token: str, path: str) -> tuple[str, Identity]:
        raise ChatError(ErrorReason.WS_TOKEN_INVALID, "the token is not valid")

    def watch(self, identity: Identity, ended: Callable[[ChatError], object]) -> AbstractContextManager[None]:
        return nullcontext()


def own_window(kind: str, now: Callable[[], float] = time.monotonic, window_s: int = 60) -> LimitsWindow:
    return LimitsWindow(BoundedStorage(now), now, kind=kind, window_s=window_s)


def throttling(rates: Rates, *, now: Callable[[], float] = time.monotonic, keys: Window | None = None) -> Throttling:
    windows = Windows(
        keys=keys or own_window("key", now), addresses=own_window("address", now), failures=own_window("failure", now)
    )
    return Throttling(rates, windows)


@asynccontextmanager
async def limited(
    rates: Rates, keys: Keys | None = None, *, engine: FakeEngine | None = None, **more: Any
) -> AsyncIterator[Served]:
    """Serves with these limits; without `keys` nobody is asked for one."""
    async with serving(engine, authenticator=keys, throttling=throttling(rates, **more)) as served:
        yield served


def bearer(key: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"), *more)
