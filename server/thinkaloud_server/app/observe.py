"""What the server tells of itself to those who run it: every metric, and the log record of a run, by name.

The engine and its face report what happened as values and know no names; here the names are, and nowhere else. What
is exported is listed in docs/observability.md, and used by the files below deploy/.

Labels are of a bounded number: methods of the contract, providers of the configuration, codes of our tables. Models
are what callers type, so a model is named only once it is known (configured, or it has answered), and only the first
MODELS_MAX of them; all others are OTHER together.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from thinkaloud_server.engine.breaker import BreakerState
from thinkaloud_server.engine.engine import EngineStatus
from thinkaloud_server.engine.observer import AttemptEnded, Committed, Decided, Happening, Observer, RunEnded
from thinkaloud_server.engine.retry import Again, NextModel, WithEfforts, WithoutReasoning, WithoutState
from thinkaloud_server.rpc.observer import CallEnded

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

run_logger = logging.getLogger("thinkaloud.run")
logger = logging.getLogger(__name__)

MODELS_MAX = 100
MODEL_CHARS_MAX = 128
OTHER = "other"

# Upper ends of histogram bins. Models answer within milliseconds on the same machine, and think for minutes elsewhere.
CALL_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
RUN_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
FIRST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CONNECT_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
COMMIT_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

BREAKER_STATES: Sequence[BreakerState] = ("closed", "probing", "open")


class Looks(Protocol):
    """What is looked at when somebody asks for the metrics, and not counted on the way."""

    def status(self) -> EngineStatus: ...

    def open_calls(self) -> int: ...

    def open_sockets(self) -> int: ...


def everybody(*observers: Observer) -> Observer:
    """One observer for all of these. A bug of one is logged, and ends neither the work nor the others' looking on."""

    def tell(what: Happening, /) -> None:
        for observer in observers:
            try:
                observer(what)
            except Exception:
                logger.exception("observer_failed", extra={"happening": type(what).__name__})

    return tell


def log_runs(what: Happening, /) -> None:
    """One record for each run at its end, also of those that nobody watched any more."""
    if not isinstance(what, RunEnded) or not run_logger.isEnabledFor(logging.INFO):
        return
    usage, timing = what.usage, what.timing
    run_logger.info(
        "run_completed",
        extra={
            "run_id": what.run.run_id,
            "request_id": what.run.request_id,
            "tenant": what.run.tenant,
            "key_id": what.run.key_id,
            "provider": what.provider,
            "model": what.model,
            "state": what.state,
            "finish_reason": what.finish_reason,
            "reason": what.reason,
            "attempts": what.attempts,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cached_tokens": usage.cached_tokens,
            "cost_usd": usage.cost_usd,
            "queue_ms": timing.queue_ms,
            "connect_ms": timing.connect_ms,
            "first_byte_ms": timing.first_byte_ms,
            "first_token_ms": timing.first_token_ms,
            "total_ms": timing.total_ms,
        },
    )


class ModelNames:
    """Which models are named in labels."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known: set[str] = set()
        for model in known:
            self.answered(model)

    def answered(self, model: str) -> None:
        """There is such a model: name it, while there is room."""
        if len(self._known) < MODELS_MAX and len(model) <= MODEL_CHARS_MAX:
            self._known.add(model)

    def label(self, model: str) -> str:
        """Its name, or OTHER."""
        return model if model in self._known else OTHER


class Metrics:
    """All metrics of one server. `observe` and `called` count; `look` once what there is to look at is made."""

    def __init__(self, *, version: str, store: str, models: Iterable[str]) -> None:
        # Brought only here: a server that exports nothing does not load it.
        import prometheus_client as prometheus

        # A second series for each, with its time of birth, is of use to nobody here.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self.registry = registry = prometheus.CollectorRegistry()
        self._models = ModelNames(models)

        def counter(name: str, about: str, *labels: str) -> Any:
            return prometheus.Counter(f"thinkaloud_{name}", about, labels, registry=registry)

        def histogram(name: str, about: str, bins: Sequence[float], *labels: str) -> Any:
            return prometheus.Histogram(f"thinkaloud_{name}", about, labels, registry=registry, buckets=bins)

        self._calls = counter("requests_total", "Calls that ended, by method and canonical code.", "method", "code")
        self._errors = counter("errors_total", "Calls that failed, by the reason that was told.", "reason")
        self._call_s = histogram("request_seconds", "How long calls took, streams to their end.", CALL_S, "method")
        at = ("provider", "model")
        self._runs = counter("runs_total", "Runs that ended; reason: its finish or error.", *at, "state", "reason")
        self._run_s = histogram("run_seconds", "How long runs took, from the call's arrival.", RUN_S, *at)
        self._first_s = histogram("first_token_seconds", "From the call's arrival to the first token.", FIRST_S, *at)
        self._tokens = counter("run_tokens_total", "Tokens as providers counted them.", "provider", "kind")
        self._cost = counter("run_cost_usd_total", "What runs cost, where that is known.", "provider")
        self._deltas = counter("streamed_tokens_total", "Pieces of text as providers streamed them.", "kind")
        self._attempts = counter("provider_attempts_total", "Requests to providers.", "provider", "code")
        self._connect_s = histogram("provider_connect_seconds", "To a new connection.", CONNECT_S, "provider")
        self._byte_s = histogram("provider_first_byte_seconds", "From sent to the answer's head.", FIRST_S, "provider")
        self._retries = counter("retries_total", "Requests sent again to the same model.", "provider")
        self._fallbacks = counter("fallbacks_total", "Runs that went on to their next model.", "provider")
        self._dropped = counter("reasoning_dropped_total", "Controls of reasoning left out.", "provider")
        self._adjusted = counter("reasoning_adjusted_total", "Adjusted after a refusal.", "provider", "what")
        self._commit_s = histogram("log_commit_seconds", "How long a commit took.", COMMIT_S, "store")
        self._batch_runs = histogram("log_batch_runs", "Runs of one commit.", BATCH, "store")
        self._batch_events = histogram("log_batch_events", "Events of one commit.", BATCH, "store")
        self._limits = counter("limits_store_failed_total", "Times that the shared store of limits did not answer.")
        self._lost = counter("log_failed_total", "Runs whose events the store did not take.", "store")
        info = {"version": version, "python": platform.python_version()}
        prometheus.Info("thinkaloud_build", "What is running.", registry=registry).info(info)
        prometheus.Info("thinkaloud_store", "Where runs are kept.", registry=registry).info({"kind": store})
        prometheus.ProcessCollector(registry=registry)
        prometheus.GCCollector(registry=registry)

    def look(self, looks: Looks) -> None:
        """From now on tell of this, too."""
        self.registry.register(_Gauges(looks))

    def text(self, accept: str) -> tuple[bytes, str]:
        """Everything, in the format that is asked for, and the name of that format."""
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def called(self, call: CallEnded, /) -> None:
        """A call ended."""
        self._calls.labels(call.method, call.code).inc()
        self._call_s.labels(call.method).observe(call.duration_s)
        if call.reason:
            self._errors.labels(call.reason).inc()

    def limits_failed(self) -> None:
        """Where limits are shared, nobody answered."""
        self._limits.inc()

    def observe(self, what: Happening, /) -> None:
        """Something happened in the engine."""
        match what:
            case Committed():
                self._committed(what)
            case AttemptEnded():
                self._attempted(what)
            case Decided():
                self._decided(what)
            case RunEnded():
                self._ended(what)

    def _committed(self, batch: Committed) -> None:
        self._commit_s.labels(batch.store).observe(batch.duration_s)
        self._batch_runs.labels(batch.store).observe(batch.runs)
        self._batch_events.labels(batch.store).observe(batch.events)
        if batch.answer_deltas:
            self._deltas.labels("answer").inc(batch.answer_deltas)
        if batch.reasoning_deltas:
            self._deltas.labels("reasoning").inc(batch.reasoning_deltas)
        if batch.failed:
            self._lost.labels(batch.store).inc(batch.failed)

    def _attempted(self, ended: AttemptEnded) -> None:
        attempt = ended.attempt
        code = attempt.code or ("CANCELLED" if ended.cancelled else "OK")
        self._attempts.labels(attempt.provider, code if ended.asked else "NOT_ASKED").inc()
        if ended.connect_ms:
            self._connect_s.labels(attempt.provider).observe(ended.connect_ms / 1000)
        if ended.first_byte_ms:
            self._byte_s.labels(attempt.provider).observe(ended.first_byte_ms / 1000)

    def _decided(self, decided: Decided) -> None:
        match decided.decision:
            case Again():
                self._retries.labels(decided.provider).inc()
            case NextModel():
                self._fallbacks.labels(decided.provider).inc()
            case WithoutReasoning():
                self._dropped.labels(decided.provider).inc()
            case WithEfforts():
                self._adjusted.labels(decided.provider, "effort").inc()
            case WithoutState():
                self._adjusted.labels(decided.provider, "history").inc()

    def _ended(self, run: RunEnded) -> None:
        if run.state == "completed":
            self._models.answered(run.model)
        model = self._models.label(run.model)
        self._runs.labels(run.provider, model, run.state, run.reason or run.finish_reason).inc()
        self._run_s.labels(run.provider, model).observe(run.timing.total_ms / 1000)
        if run.timing.first_token_ms:
            self._first_s.labels(run.provider, model).observe(run.timing.first_token_ms / 1000)
        usage = run.usage
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("reasoning", usage.reasoning_tokens),
            ("cached", usage.cached_tokens),
        ):
            if tokens > 0:
                self._tokens.labels(run.provider, kind).inc(tokens)
        if usage.cost_usd is not None and usage.cost_usd > 0:
            self._cost.labels(run.provider).inc(usage.cost_usd)


class _Gauges:
    """What is looked at when somebody asks."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    def collect(self) -> Iterator[GaugeMetricFamily]:
        from prometheus_client.core import GaugeMetricFamily

        status = self._looks.status()
        plain: Sequence[tuple[str, str, Callable[[], float]]] = (
            ("live_runs", "Runs that have not ended.", lambda: status.live_runs),
            ("runs_max", "Runs that this server carries.", lambda: status.runs_max),
            ("watchers", "Who is reading the log of a live run.", lambda: status.watchers),
            ("open_calls", "Calls that have not ended.", self._looks.open_calls),
            ("open_sockets", "WebSockets that are open.", self._looks.open_sockets),
            ("draining", "1 while the server takes no new runs.", lambda: status.draining),
        )
        for name, about, value in plain:
            yield GaugeMetricFamily(f"thinkaloud_{name}", about, float(value()))
        breakers = GaugeMetricFamily(
            "thinkaloud_breaker_state",
            "1 for the state in which a provider's breaker is.",
            labels=("provider", "state"),
        )
        for provider, now in status.breakers.items():
            for state in BREAKER_STATES:
                breakers.add_metric((provider, state), float(state == now))
        yield breakers
