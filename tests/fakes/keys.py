"""Keys in memory, and an authority over them: who may call, without files."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.key import Key
from thinkaloud_server.identity.authority import Authority, TokenVerifier
from thinkaloud_server.identity.key import RANDOM_BYTES, derived, hashed, new_key, pepper_name

PEPPER = b"pepper of the tests"


class FakeKeys:
    """Satisfies identity.authority.Keys."""

    def __init__(self) -> None:
        self.kept: dict[str, Key] = {}
        self.uses: list[str] = []
        self.spent: set[str] = set()
        self.looks = 0
        # What a look finds: keys that were made elsewhere.
        self.beside: dict[str, Key] = {}
        self._changed: Callable[[], None] = lambda: None

    def find(self, key_id: str) -> Key | None:
        return self.kept.get(key_id)

    async def look(self) -> None:
        self.looks += 1
        self.kept |= self.beside

    def used(self, key_id: str) -> None:
        self.uses.append(key_id)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    async def spend(self, nonce: str, expires_at: float) -> bool:
        first = nonce not in self.spent
        self.spent.add(nonce)
        return first

    def make(self, *scopes: str, tenant: str = "hers", expires_at: float = 0.0) -> str:
        """The text of a new key."""
        text, key_id = new_key(secrets.token_bytes(RANDOM_BYTES))
        identity = Identity(tenant=tenant, key_id=key_id, scopes=frozenset(scopes), expires_at=expires_at)
        self.kept[key_id] = Key(identity, "made", hashed(derived(PEPPER, "key"), text), pepper_name(PEPPER), 1.0)
        return text

    def revoke(self, text: str) -> None:
        key_id = next(each for each in self.kept if text.startswith(each))
        self.kept[key_id] = replace(self.kept[key_id], revoked_at=2.0)
        self._changed()


def authority_of(
    keys: FakeKeys, verifier: TokenVerifier | None = None, now: Callable[[], float] = time.time
) -> Authority:
    numbers = itertools.count(1)
    return Authority(keys=keys, pepper=PEPPER, verifier=verifier, now=now, new_nonce=lambda: f"nonce-{next(numbers)}")
