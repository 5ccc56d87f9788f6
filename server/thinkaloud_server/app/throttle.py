"""Where requests are counted, as it is configured: in this process, and in a Redis for replicas that share limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_limits import networks
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.observe import Metrics
from thinkaloud_server.app.window import BoundedStorage, LimitsWindow, RedisStorage, SharedWindow
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc.throttle import Throttling, Windows
from thinkaloud_server.rpc.window import Window


def throttling_of(
    config: Config,
    environ: Mapping[str, str],
    stack: AsyncExitStack,
    clock: Clock,
    metrics: Metrics | None,
) -> Throttling:
    """What is limited and where it is counted. Raises ConfigError."""
    rates = config.limits.rates(networks(config.server.trusted_proxies), identified=config.identity.required)
    failed = metrics.limits_failed if metrics else lambda: None
    return Throttling(rates, _windows(config, environ, stack, clock, failed))


def _windows(
    config: Config, environ: Mapping[str, str], stack: AsyncExitStack, clock: Clock, failed: Callable[[], None]
) -> Windows:
    """`failed` is told of each time that Redis did not answer.

    Credentials that are not valid are counted here alone: it would cost every call a round trip, and who guesses at
    all replicas guesses as many times as there are replicas.
    """

    def own(kind: str) -> LimitsWindow:
        return LimitsWindow(BoundedStorage(clock.monotonic), clock.monotonic, kind=kind)

    try:
        url = config.limits.storage(environ)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if not url:
        return Windows(keys=own("key"), addresses=own("address"), failures=own("failure"))
    try:
        storage = RedisStorage(url)
    except ImportError:
        raise ConfigError(
            'limits.storage_url: needs the extra "redis": pip install "thinkaloud-server[redis]"'
        ) from None
    stack.push_async_callback(storage.close)

    def shared(kind: str) -> Window:
        return SharedWindow(LimitsWindow(storage, clock.time, kind=kind), own(kind), clock, failed)

    return Windows(keys=shared("key"), addresses=shared("address"), failures=own("failure"))
