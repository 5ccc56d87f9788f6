"""[limits]: how much one caller may use of the server, and how it is counted."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator

from thinkaloud_server.app.config_section import Section
from thinkaloud_server.engine.quota import KeyLimits
from thinkaloud_server.rpc.address import Network

if TYPE_CHECKING:
    from thinkaloud_server.rpc.throttle import Rates

# Where callers are asked for a credential. Elsewhere there is one caller, or none is told from another: no limit.
REQUESTS_PER_MINUTE = 600
REQUESTS_PER_MINUTE_ADDRESS = 6_000
STREAMS_PER_KEY = 256
SOCKETS_PER_KEY = 256
CONNECTIONS_PER_ADDRESS = 1_000

_STORAGES = ("redis", "rediss")

Count = Annotated[int, Field(ge=0, le=1_000_000)]


class LimitsSection(Section):
    """0 is no limit. What is left out has the default above, on a server that asks callers for a credential.

    `runs_per_key` are those at once; a day ends at midnight, UTC.
    """

    requests_per_minute: Count | None = None
    requests_per_minute_address: Count | None = None
    auth_failures_per_minute: Count = 30
    streams_per_key: Count | None = None
    sockets_per_key: Count | None = None
    connections_per_address: Count | None = None
    socket_messages_per_s: Count = 20
    runs_per_key: Annotated[int, Field(ge=0)] = 32
    tokens_per_day: Annotated[int, Field(ge=0)] = 0
    cost_usd_per_day: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    storage_url: str = ""
    storage_password_env: str = ""

    @field_validator("storage_url")
    @classmethod
    def _storage(cls, text: str) -> str:
        if not text:
            return text
        try:
            url = urlsplit(text)
            _ = url.port
        except ValueError:
            raise ValueError("expected a URL, as redis://127.0.0.1:6379/0") from None
        if url.scheme not in _STORAGES or not url.hostname:
            raise ValueError("expected redis:// or rediss:// with a host, as redis://127.0.0.1:6379/0")
        if url.password is not None:
            raise ValueError("a password does not belong in a URL; use storage_password_env")
        return text

    def storage(self, environ: Mapping[str, str]) -> str:
        """The URL with the password in it; "" for none. Raises ValueError when the variable is not set."""
        if not self.storage_url or not self.storage_password_env:
            return self.storage_url
        password = environ.get(self.storage_password_env, "")
        if not password:
            raise ValueError(f"limits.storage_password_env: {self.storage_password_env} is not set")
        url = urlsplit(self.storage_url)
        user, _, place = url.netloc.rpartition("@")
        return url._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()

    def of_keys(self) -> KeyLimits:
        """What holds for a key that has no allowance of its own, as the engine takes it."""
        return KeyLimits(self.runs_per_key, self.tokens_per_day, self.cost_usd_per_day)

    def rates(self, trusted_proxies: tuple[Network, ...], *, identified: bool) -> Rates:
        """What holds on a server that asks for credentials (`identified`), or on one that does not."""
        # Only here: protobuf, which comes with it, is of no use to the commands that merely read settings.
        from thinkaloud_server.rpc.throttle import Rates

        def effective(given: int | None, default: int) -> int:
            return given if given is not None else default if identified else 0

        return Rates(
            requests_per_minute=effective(self.requests_per_minute, REQUESTS_PER_MINUTE),
            requests_per_minute_address=effective(self.requests_per_minute_address, REQUESTS_PER_MINUTE_ADDRESS),
            auth_failures_per_minute=self.auth_failures_per_minute if identified else 0,
            streams_per_key=effective(self.streams_per_key, STREAMS_PER_KEY),
            sockets_per_key=effective(self.sockets_per_key, SOCKETS_PER_KEY),
            connections_per_address=effective(self.connections_per_address, CONNECTIONS_PER_ADDRESS),
            trusted_proxies=trusted_proxies,
        )


def networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks that are written so. Raises ValueError for what is none."""
    found = []
    for name in names:
        try:
            found.append(ip_network(name))
        except ValueError as error:
            raise ValueError(f"expected addresses or networks, as 10.0.0.0/8 or ::1: {error}") from None
    return tuple(found)
