"""Who calls: a key that stays, or credentials that renew themselves while the client is used.

Credentials block while they ask their issuer, so that the async and the sync client share them: the async one asks in
a thread. Whatever the number of calls, one at a time asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from thinkaloud import oauth
from thinkaloud.endpoint import Path
from thinkaloud.errors import ThinkaloudError

Metadata = tuple[tuple[str, str], ...]

EARLY_S = 30.0
# How long one is used where its issuer does not say.
UNSAID_S = 300.0


def early_s(lives_s: float) -> float:
    """How long before its end a token is not used any more: calls take time, and clocks differ."""
    return min(EARLY_S, lives_s / 5)


class Credentials(Protocol):
    """What says who calls. Both are called from any thread."""

    def current(self) -> str:
        """The token that is good for a while yet; "" where there is none. Never waits."""

    def renew(self, old: str) -> str:
        """Another token than `old`, which is no good any more; waits for it. Raises ThinkaloudError."""


class Renewing:
    """Credentials that keep a token until shortly before its end, and get the next one in `ask`."""

    def __init__(self, ask: Callable[[], oauth.Granted], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._asking = threading.Lock()
        self._held: tuple[str, float] = ("", 0.0)

    def current(self) -> str:
        token, until_s = self._held
        return token if self._clock() < until_s else ""

    def renew(self, old: str) -> str:
        with self._asking:
            # Whoever waited here finds what another one has brought.
            if (token := self.current()) and token != old:
                return token
            granted = self._ask()
            lives_s = granted.expires_in_s or UNSAID_S
            self._held = (granted.access_token, self._clock() + lives_s - early_s(lives_s))
            return granted.access_token


class ClientCredentials(Renewing):
    """A program that calls for itself (RFC 6749, 4.4): its id and secret are exchanged for tokens, again and again.

        Client(address, credentials=ClientCredentials("https://login.example/token", "my-service", secret))

    The secret goes in a header, as every issuer must take it; with `secret_in_form` in the form, as some want it.
    Raises ValueError for an address that is not https (http on this machine alone), or a file that is none.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        scope: str = "",
        audience: str = "",
        secret_in_form: bool = False,
        ca_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        oauth.check_url("token_url", token_url)
        oauth.trusting(ca_file)
        form = {"grant_type": "client_credentials", "scope": scope, "audience": audience}
        basic = None if secret_in_form else (client_id, client_secret)
        if secret_in_form:
            form |= {"client_id": client_id, "client_secret": client_secret}
        form = {name: value for name, value in form.items() if value}
        super().__init__(lambda: oauth.granted(token_url, form, basic=basic, ca_file=ca_file), clock)


class Authorization:
    """What the calls of one client bring, and what to do when it is not good any more."""

    def __init__(self, fixed: Metadata, credentials: Credentials | None) -> None:
        self._fixed = fixed
        self._credentials = credentials
        self._sent = self._expired = ""

    def ready(self) -> Metadata | None:
        """The metadata of a call; None where `fetch` must be waited for."""
        if self._credentials is None:
            return self._fixed
        token = self._credentials.current()
        return self._bearer(token) if token and token != self._expired else None

    def fetch(self) -> Metadata:
        """The same, with a new token. Raises ThinkaloudError."""
        assert self._credentials is not None
        return self._bearer(self._credentials.renew(self._expired))

    def outlived(self, error: ThinkaloudError) -> bool:
        """Whether a call failed because its token has expired, and the next one will bring another."""
        if self._credentials is None or error.code != "AUTH_EXPIRED":
            return False
        self._expired = self._sent
        return True

    def _bearer(self, token: str) -> Metadata:
        self._sent = token
        return (("authorization", f"Bearer {token}"),)
