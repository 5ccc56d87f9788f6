"""The tree of settings: every key there is, its default, its unit and its limits.

What a key may hold is checked here; where values come from (file, environment, flags) is `config_load`'s.
Nothing below `app` sees these classes: `wiring` hands each constructor the two or three values that it needs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from thinkaloud_server.app.config_chaos import ChaosSection
from thinkaloud_server.app.config_identity import IdentitySection
from thinkaloud_server.app.config_limits import LimitsSection, networks
from thinkaloud_server.app.config_section import Names, Secret, Section, from_json
from thinkaloud_server.app.config_tls import TlsSection
from thinkaloud_server.app.config_uploads import UploadsSection
from thinkaloud_server.core.url import is_loopback
from thinkaloud_server.providers import table

DIALECTS = tuple(table.DIALECTS)
DEMO = "demo"

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_STORES = ("sqlite", "memory")
_OFF = ("", "off")


Seconds = Annotated[float, Field(gt=0, le=86_400)]


class ServerSection(Section):
    """[server]: where it listens and how long it waits for its callers. An `http_address` of "off" turns HTTP off.

    `admin_address` is off unless it is given: a second server on one machine must not fail for want of its port.
    """

    grpc_address: str = "127.0.0.1:50051"
    http_address: str = "127.0.0.1:8000"
    http_hosts: Names = ()
    http_origins: Names = ()
    admin_address: str = ""
    trusted_proxies: Names = ()
    reflection: bool | None = None
    insecure: bool = False
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    calls_max: Annotated[int, Field(ge=1)] = 20_000
    request_bytes_max: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    websocket_message_bytes_max: Annotated[int, Field(ge=1024)] = 1024 * 1024
    websocket_idle_timeout_s: Seconds = 300.0
    heartbeat_s: Annotated[float, Field(gt=0, le=15)] = 15.0
    stall_timeout_s: Seconds = 90.0
    drain_grace_s: Annotated[float, Field(ge=0, le=3600)] = 30.0

    @field_validator("grpc_address")
    @classmethod
    def _address(cls, text: str) -> str:
        split_address(text)
        return text

    @field_validator("http_address", "admin_address")
    @classmethod
    def _address_or_off(cls, text: str) -> str:
        if text not in _OFF:
            split_address(text)
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        networks(names)
        return names

    @property
    def http(self) -> str:
        """Where HTTP is served; "" where it is not."""
        return "" if self.http_address in _OFF else self.http_address

    @property
    def reflects(self) -> bool:
        """Reflection shows the whole contract to whoever asks: unless said otherwise, to this machine only."""
        return is_loopback(split_address(self.grpc_address)[0]) if self.reflection is None else self.reflection


class StoreSection(Section):
    """[store]: where runs and conversations are kept, and for how long."""

    url: str = "sqlite:///thinkaloud.db"
    data_dir: Path | None = None
    durability: Literal["process", "power"] = "process"
    event_retention_h: Annotated[float, Field(gt=0)] = 24.0
    key_retention_h: Annotated[float, Field(gt=0)] = 168.0

    @field_validator("url")
    @classmethod
    def _url(cls, text: str) -> str:
        kind, separator, place = text.partition("://")
        if kind in ("postgresql", "postgres"):
            raise ValueError("PostgreSQL is not supported by this version; use sqlite:///FILE or memory://")
        if not separator or kind not in _STORES:
            raise ValueError("expected sqlite:///FILE (in the data directory), sqlite:////FILE (anywhere) or memory://")
        if kind == "memory" and place:
            raise ValueError("memory:// takes no name")
        if kind == "sqlite" and len(place) < 2:
            raise ValueError("expected a file, as sqlite:///thinkaloud.db")
        if kind == "sqlite" and not place.startswith("/"):
            raise ValueError("three slashes stand before a file in the data directory: sqlite:///thinkaloud.db")
        return text

    @property
    def kind(self) -> str:
        return self.url.partition("://")[0]

    def file(self, data_dir: Path) -> Path:
        """The SQLite file: within the data directory, or absolute with a fourth slash."""
        return data_dir / self.url.partition("://")[2][1:]


class RunsSection(Section):
    """[runs]: the limits of what one caller may ask and of what the server carries."""

    runs_max: Annotated[int, Field(ge=1)] = 1_000
    run_s: Seconds = 1_800.0
    text_chars_max: Annotated[int, Field(ge=1)] = 500_000
    iterations_max: Annotated[int, Field(ge=1, le=100)] = 100
    batch_requests_max: Annotated[int, Field(ge=1, le=100)] = 100


class LogSection(Section):
    """[log]: what the server writes to standard error, and how the log of a run is written."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"
    merge_deltas: bool = True


class TracesSection(Section):
    """[traces]: where spans go, as OTLP over HTTP (http://127.0.0.1:4318), and which share of new traces is kept."""

    endpoint: str = ""
    sampled: Annotated[float, Field(ge=0, le=1)] = 1.0

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, text: str) -> str:
        if text and not re.match(r"https?://[^/@\s]+(/\S*)?\Z", text):
            raise ValueError("expected an http or https URL without credentials, as http://127.0.0.1:4318")
        return text


class TimeoutsSection(Section):
    """[providers.NAME.timeouts]; those left out are the vendor's, else 5, 300, 300 and [runs] run_s."""

    connect_s: Seconds | None = None
    first_byte_s: Seconds | None = None
    silence_s: Seconds | None = None
    total_s: Seconds | None = None


class ProviderSection(Section):
    """[providers.NAME]: one endpoint with its key."""

    dialect: str = ""  # the vendor's own
    base_url: str
    api_key: Secret | None = None
    api_key_env: str | None = None
    api_key_file: Path | None = None
    models: Names = ()
    starts_in_reasoning: Names = ()
    headers: Annotated[dict[str, Secret], BeforeValidator(from_json)] = Field(default_factory=dict)
    timeouts: TimeoutsSection = TimeoutsSection()

    @field_validator("dialect")
    @classmethod
    def _dialect(cls, name: str) -> str:
        if name and name not in DIALECTS:
            raise ValueError(f"expected one of {', '.join(DIALECTS)}")
        return name

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, text: str) -> str:
        try:
            url = urlsplit(text.strip())
            _ = url.port
        except ValueError:
            raise ValueError("expected a URL, as http://127.0.0.1:9100/v1") from None
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("expected an http or https URL, as http://127.0.0.1:9100/v1")
        if url.username is not None or url.password is not None:
            raise ValueError("credentials do not belong in a URL; use api_key_env, api_key_file or headers")
        if url.fragment:
            raise ValueError("a fragment (#...) is never sent; leave it out")
        return text.strip().rstrip("/")

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, Secret]) -> dict[str, Secret]:
        for name, value in headers.items():
            if not _HEADER_NAME.match(name) or re.search(r"[\r\n\0]", value.reveal()):
                raise ValueError("a header has a name of letters, digits and dashes, and a value of one line")
        return headers

    @model_validator(mode="after")
    def _one_key(self) -> ProviderSection:
        given = [name for name in ("api_key", "api_key_env", "api_key_file") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}: keep one of them")
        return self

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""


class Config(BaseSettings):
    """Everything that can be set. `Config()` is the defaults; `config_load.load` is what a command uses."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    default_model: str = ""
    discover: bool = True
    server: ServerSection = ServerSection()
    tls: TlsSection = TlsSection()
    store: StoreSection = StoreSection()
    runs: RunsSection = RunsSection()
    limits: LimitsSection = LimitsSection()
    uploads: UploadsSection = UploadsSection()
    log: LogSection = LogSection()
    traces: TracesSection = TracesSection()
    chaos: ChaosSection = ChaosSection()
    identity: IdentitySection = IdentitySection()
    providers: dict[str, ProviderSection] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @field_validator("default_model")
    @classmethod
    def _model(cls, text: str) -> str:
        provider, slash, name = text.partition("/")
        if text and not (provider and slash and name):
            raise ValueError("expected provider/name, as demo/reasoner")
        return text

    @field_validator("providers")
    @classmethod
    def _names(cls, providers: dict[str, ProviderSection]) -> dict[str, ProviderSection]:
        for name in providers:
            if not _PROVIDER_NAME.match(name):
                raise ValueError(f"{name!r} is no name for a provider: lower-case letters, digits, '-', '_' and '.'")
            if name == DEMO:
                raise ValueError("'demo' is the built-in provider; take another name")
        return providers

    @model_validator(mode="after")
    def _what_cannot_be(self) -> Config:
        server = self.server
        if server.workers > 1:
            raise ValueError(
                f"server.workers is {server.workers}, but with {self.store.kind} one process owns the data; "
                "more than 1 needs PostgreSQL, which this version does not support"
            )
        for key, address in (
            ("grpc_address", server.grpc_address),
            ("http_address", server.http),
            ("admin_address", server.admin_address),
        ):
            if not address or is_loopback(split_address(address)[0]):
                continue
            asks = self.identity.required and key != "admin_address"
            if not asks and not server.insecure:
                remedy = "" if key == "admin_address" else "ask for one with --auth (identity.required = true), "
                raise ValueError(
                    f"server.{key} {address} can be reached from other machines, and nobody is asked for a key: "
                    f"{remedy}listen on 127.0.0.1, or say --insecure (server.insecure = true)"
                )
            if self.chaos.enabled and not self.chaos.public and key != "admin_address":
                raise ValueError(
                    f"chaos.enabled breaks answers on purpose, and server.{key} {address} can be "
                    "reached from other machines: turn it off, or say chaos.public = true as well"
                )
        return self


def split_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; IPv6 hosts stand in brackets. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError("expected HOST:PORT, as 127.0.0.1:50051 or [::1]:50051")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError("the port must be 0 to 65535 (0 takes a free one)")
    return (host[1:-1] if bracketed else host), int(port)
