"""Which class is used for what: configuration in, a server that can be started out. Nothing else picks."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from thinkaloud_server.app import aws, config_load, observe
from thinkaloud_server.app.clock import SystemClock, new_id
from thinkaloud_server.app.config import DEMO, Config, ProviderSection, split_address
from thinkaloud_server.app.config_chaos import EVERY_PROVIDER
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.discover import Discovery, chat_models
from thinkaloud_server.app.identity import admission
from thinkaloud_server.app.throttle import throttling_of
from thinkaloud_server.app.version import server_version
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.upload import Quota
from thinkaloud_server.core.url import is_loopback
from thinkaloud_server.engine.chaos import Chance, NextFault, choose
from thinkaloud_server.engine.demo import DemoProvider
from thinkaloud_server.engine.engine import Engine, EngineLimits, EngineStatus
from thinkaloud_server.engine.http_provider import HttpProvider
from thinkaloud_server.engine.models import Models
from thinkaloud_server.engine.ports import Provider, Store
from thinkaloud_server.engine.upstream import Timeouts, Upstream, default_timeouts
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import DIALECTS, vendor_for
from thinkaloud_server.rpc import observer as rpc_observer
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.server import RpcServer
from thinkaloud_server.stores.memory import MemoryStore
from thinkaloud_server.stores.sqlite import SqliteStore
from thinkaloud_server.stores.uploads import Uploads

if TYPE_CHECKING:
    from thinkaloud_server.app.admin import AdminServer
    from thinkaloud_server.app.traces import Traces

DEFAULT_MODEL = f"{DEMO}/reasoner"
# A vendor that was found by its key is asked for its models at most this long before the server starts without.
LISTING_S = 3.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """A server, not started yet, and what it was made of."""

    engine: Engine
    server: RpcServer
    default_model: str
    secrets: tuple[str, ...]
    place: str
    admin: AdminServer | None
    notes: tuple[str, ...]


async def assemble(
    config: Config,
    environ: Mapping[str, str],
    found: Discovery,
    stack: AsyncExitStack,
    *,
    chance: Callable[[], float] = random.random,
) -> Assembly:
    """Everything made and joined; what must be closed is on the stack. `chance` spreads retries, from 0 to 1.

    Raises ConfigError, and ChatError(STORAGE_UNAVAILABLE) when the data cannot be opened.
    """
    clock, traces = SystemClock(), _traces(config, stack)
    upstream = Upstream(clock=clock, headers=traces.headers if traces else tuple)
    stack.push_async_callback(upstream.close)
    sections = {**config.providers, **{each.name: each.section for each in found.found}}
    endpoints = {name: _endpoint(name, section, environ) for name, section in sections.items()}
    providers = _providers(config, sections, endpoints, upstream)
    providers[DEMO] = DemoProvider(clock=clock)
    default_model = await _default_model(config, found, providers)
    owner = _owner()
    store = await _store(config, owner, stack)
    uploads = await _uploads(config, store, stack)
    admitted = await admission(config, environ, stack)
    metrics = _metrics(config, store, default_model, sections)
    engine = Engine(
        store=store,
        memory=store if config.store.kind == "memory" else MemoryStore(),
        models=_models(providers, sections, default_model, store, clock),
        random=chance,
        clock=clock,
        new_id=new_id,
        owner=owner,
        limits=_engine_limits(config),
        trims={"uploads": uploads.trim},
        merge=config.log.merge_deltas,
        observer=observe.everybody(observe.log_runs, *(each.observe for each in (metrics, traces) if each)),
    )
    server = RpcServer(
        engine=engine,
        uploads=uploads,
        clock=clock,
        new_id=new_id,
        new_request_id=lambda: new_id("req"),
        version=server_version(),
        limits=limits_of(config),
        reflect=config.server.reflects,
        observer=metrics.called if metrics else rpc_observer.nobody,
        tracing=(traces.around,) if traces else (),
        authenticator=admitted.authority,
        page_key=admitted.page_key,
        throttling=throttling_of(config, environ, stack, clock, metrics),
    )
    admin = _admin(config, metrics, engine, server) if metrics else None
    words = (*admitted.secrets, *_secrets(endpoints))
    return Assembly(engine, server, default_model, words, str(_file(config) or "memory"), admin, admitted.notes)


def _models(
    providers: Mapping[str, Provider],
    sections: Mapping[str, ProviderSection],
    default_model: str,
    store: Store,
    clock: SystemClock,
) -> Models:
    return Models(
        providers=providers,
        configured={name: section.models for name, section in sections.items()},
        default_model=default_model,
        store=store,
        clock=clock,
    )


def _file(config: Config) -> Path | None:
    """The database; None for a store in memory."""
    return None if config.store.kind == "memory" else config.store.file(config_load.data_dir(config))


def _owner() -> str:
    """Of this process alone: what has another owner in its store is an orphan, also after a restart."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


def _secrets(endpoints: Mapping[str, Endpoint]) -> Iterator[str]:
    for each in endpoints.values():
        yield each.api_key
        yield from (value for _, value in each.headers)


def _metrics(
    config: Config, store: Store, default_model: str, sections: Mapping[str, ProviderSection]
) -> observe.Metrics | None:
    """None where nobody can ask for them."""
    if not config.server.admin_address:
        return None
    known = [default_model, *(f"{name}/{model}" for name, each in sections.items() for model in each.models)]
    return observe.Metrics(version=server_version(), store=store.kind, models=known)


def _traces(config: Config, stack: AsyncExitStack) -> Traces | None:
    if not config.traces.endpoint:
        return None
    from thinkaloud_server.app.traces import Traces

    traces = Traces(config.traces.endpoint, sampled=config.traces.sampled, version=server_version())
    # Closed last of all, so that the spans of the last runs are sent.
    stack.push_async_callback(traces.close)
    return traces


@dataclass(frozen=True, slots=True)
class _Looks:
    """Satisfies observe.Looks."""

    engine: Engine
    server: RpcServer

    def status(self) -> EngineStatus:
        return self.engine.status()

    def open_calls(self) -> int:
        return self.server.load.calls

    def open_sockets(self) -> int:
        return self.server.throttle.sockets


def _admin(config: Config, metrics: observe.Metrics, engine: Engine, server: RpcServer) -> AdminServer:
    # aiohttp's server is of use to nobody else here.
    from thinkaloud_server.app.admin import AdminServer

    async def not_ready() -> str:
        if engine.status().draining:
            return "draining"
        try:
            await engine.store.get_setting("", "health")
        except ChatError:
            return "store unavailable"
        return ""

    metrics.look(_Looks(engine, server))
    loopback = is_loopback(split_address(config.server.admin_address)[0])
    return AdminServer(metrics=metrics.text, not_ready=not_ready, loopback=loopback)


def _providers(
    config: Config, sections: Mapping[str, ProviderSection], endpoints: Mapping[str, Endpoint], upstream: Upstream
) -> dict[str, Provider]:
    chaos = _chaos(config, tuple(endpoints))
    return {
        name: HttpProvider(
            endpoint=endpoint,
            dialect=DIALECTS[endpoint.vendor.dialect],
            upstream=upstream,
            timeouts=_timeouts(sections[name], endpoint, config.runs.run_s),
            sign=aws.signer_for(endpoint),
            chaos=chaos.get(name),
        )
        for name, endpoint in endpoints.items()
    }


async def _store(config: Config, owner: str, stack: AsyncExitStack) -> MemoryStore | SqliteStore:
    store: MemoryStore | SqliteStore
    if config.store.kind == "memory":
        store = MemoryStore()
    else:
        store = await SqliteStore.open(
            config.store.file(config_load.data_dir(config)),
            durability=config.store.durability,
            owner=owner,
        )
    stack.push_async_callback(store.close)
    return store


async def _uploads(config: Config, store: MemoryStore | SqliteStore, stack: AsyncExitStack) -> Uploads:
    """Files beside the database, in a place that its lock covers too; with none, for as long as the process lives."""
    file = _file(config)
    section = config.uploads
    uploads = Uploads(
        store.uploads,
        None if file is None else file.parent / "uploads" / file.name,
        quota=Quota(section.tenant_files_max, section.tenant_bytes_max),
        kept_s=section.retention_h * 3600,
        durable=config.store.durability == "power",
    )
    stack.push_async_callback(uploads.close)
    await uploads.open()
    return uploads


def _endpoint(name: str, section: ProviderSection, environ: Mapping[str, str]) -> Endpoint:
    return Endpoint(
        provider=name,
        base_url=section.base_url,
        vendor=vendor_for(section.base_url, name, section.dialect),
        api_key=config_load.api_key(name, section, environ).reveal(),
        headers=tuple((header, value.reveal()) for header, value in section.headers.items()),
        starts_in_reasoning=section.starts_in_reasoning,
    )


def _timeouts(section: ProviderSection, endpoint: Endpoint, run_s: float) -> Timeouts:
    """The vendor's own, where the file says nothing; no answer outlives its run."""
    given = section.timeouts.model_dump(exclude_none=True)
    return replace(default_timeouts(endpoint.vendor), **{"total_s": run_s, **given})


def _chaos(config: Config, names: Sequence[str]) -> dict[str, NextFault]:
    """For each provider that has faults, what draws the next one. One source of chance, so that a seed tells all."""
    if not config.chaos.enabled:
        return {}
    if unknown := sorted(set(config.chaos.providers) - {*names, EVERY_PROVIDER}):
        raise ConfigError(f"chaos.providers: there is no provider {unknown[0]!r}; there are: {', '.join(names)}")
    draw = random.Random(config.chaos.seed).random

    def drawing(chances: tuple[Chance, ...]) -> NextFault:
        return lambda: choose(chances, draw())

    return {name: drawing(chances) for name in names if (chances := config.chaos.chances(name))}


def _engine_limits(config: Config) -> EngineLimits:
    return EngineLimits(
        runs_max=config.runs.runs_max,
        run_s=config.runs.run_s,
        events_kept_s=config.store.event_retention_h * 3600,
        keys_kept_s=config.store.key_retention_h * 3600,
        keys=config.limits.of_keys(),
    )


def limits_of(config: Config) -> Limits:
    """What the gRPC face refuses above, as it is configured."""
    return Limits(
        text_chars=config.runs.text_chars_max,
        request_bytes=config.server.request_bytes_max,
        websocket_message_bytes=config.server.websocket_message_bytes_max,
        websocket_idle_s=config.server.websocket_idle_timeout_s,
        upload_bytes=config.uploads.bytes_max,
        intake_s=config.uploads.transfer_s,
        iterations=config.runs.iterations_max,
        run_s=round(config.runs.run_s),
        batch_requests=config.runs.batch_requests_max,
        calls=config.server.calls_max,
        heartbeat_s=config.server.heartbeat_s,
        stall_timeout_s=config.server.stall_timeout_s,
        faults_by_header=config.chaos.enabled and config.chaos.by_header,
    )


async def _default_model(config: Config, found: Discovery, providers: Mapping[str, Provider]) -> str:
    """What was configured; else the first model of the first provider that has one: configured, found, built in."""
    if config.default_model:
        provider = config.default_model.partition("/")[0]
        if provider not in providers:
            raise ConfigError(f"default_model: there is no provider {provider!r}; there are: {', '.join(providers)}")
        return config.default_model
    known: dict[str, Sequence[str]] = {name: section.models for name, section in config.providers.items()}
    known.update({each.name: each.models for each in found.found})
    for name, models in known.items():
        models = models or await _listed(providers[name])
        if models:
            return f"{name}/{chat_models(models)[0]}"
    return DEFAULT_MODEL


async def _listed(provider: Provider) -> list[str]:
    try:
        async with asyncio.timeout(LISTING_S):
            return [model.name for model in await provider.models()]
    except (ChatError, TimeoutError):
        return []
