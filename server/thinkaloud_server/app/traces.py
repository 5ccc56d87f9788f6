"""Traces by OpenTelemetry: a span for each call, in it one for each run, in it one for each request to a provider.

The library is an extra (`thinkaloud-server[otel]`) and is loaded only where an endpoint is configured. The names are
those of the semantic conventions for gRPC and for generative AI, as of 2026-11 (opentelemetry.io/docs/specs/semconv);
no text, reasoning or key is in any of them.

Theory of operation. Spans are joined by context variables, which a task hands to the tasks that it makes: the call's
span is set where the call begins, so the run's task is born with it, and so a run goes on in its caller's trace after
the caller has left. Happenings are told in the task of the run, so the span of a request can be set there, and the
upstream client finds it when it writes the request's head.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.engine.observer import AttemptBegan, AttemptEnded, Happening, RunBegan, RunEnded
from thinkaloud_server.rpc.call import Call

EXPORT_TIMEOUT_S = 5.0
_CARRIED = ("traceparent", "tracestate")
# Codes that tell of the server's own trouble, by the semantic conventions for gRPC; the others are the caller's.
_SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})


class Traces:
    """The tracer of one server. `observe` the engine, put `around` each call, give `headers` to the upstream client."""

    def __init__(self, endpoint: str, *, sampled: float, version: str) -> None:
        """Spans go to this OTLP/HTTP endpoint. Raises ConfigError where the extra is not installed."""
        try:
            from opentelemetry import context, trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise ConfigError(
                "traces.endpoint: install the extra first: pip install 'thinkaloud-server[otel]'"
            ) from None
        self._context, self._trace = context, trace
        self._propagator = TraceContextTextMapPropagator()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "thinkaloud", "service.version": version}),
            sampler=ParentBased(TraceIdRatioBased(sampled)),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S)
        # In a thread of its own, with a bounded queue: a collector that is away costs spans, and no run waits for it.
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("thinkaloud", version)
        self._runs: dict[str, Any] = {}
        self._attempts: dict[tuple[str, int], tuple[Any, int, Any]] = {}

    async def close(self) -> None:
        """Send what is left."""
        await asyncio.to_thread(self._provider.shutdown)

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """The span of a call, in the trace of its caller."""
        parent = self._propagator.extract({name: value for name in _CARRIED if (value := call.header(name))})
        service, _, method = call.method.lstrip("/").rpartition("/")
        with self._spanning(
            f"{service}/{method}" if service else method,
            parent,
            {
                "rpc.system.name": "grpc",
                "rpc.method": call.method.lstrip("/"),
                "thinkaloud.request_id": call.request_id,
            },
        ) as span:
            try:
                yield
            finally:
                span.set_attribute("rpc.response.status_code", call.code)
                if call.run_id:
                    span.set_attribute("thinkaloud.run_id", call.run_id)
                if call.code in _SERVER_FAULTS:
                    self._fail(span, call.code)

    def headers(self) -> Sequence[tuple[str, str]]:
        """What a request to a provider carries, so that the provider's own trace can be joined."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return tuple(carrier.items())

    def observe(self, what: Happening, /) -> None:
        """Something happened in the engine."""
        match what:
            case RunBegan(run=run):
                attributes = {"gen_ai.operation.name": "chat", "thinkaloud.run_id": run.run_id}
                if run.conversation_id:
                    attributes["gen_ai.conversation.id"] = run.conversation_id
                span = self._tracer.start_span(f"chat {run.model}", attributes=attributes)
                self._runs[run.run_id] = span
                # The run's task is made next, and is born with it.
                self._context.attach(self._trace.set_span_in_context(span))
            case AttemptBegan():
                self._attempt_began(what)
            case AttemptEnded():
                self._attempt_ended(what)
            case RunEnded():
                self._run_ended(what)

    @contextmanager
    def _spanning(self, name: str, parent: Any, attributes: dict[str, Any]) -> Iterator[Any]:
        span = self._tracer.start_span(name, parent, kind=self._trace.SpanKind.SERVER, attributes=attributes)
        token, task = self._context.attach(self._trace.set_span_in_context(span, parent)), asyncio.current_task()
        try:
            yield span
        finally:
            # A stream inside the process is begun by one task and left by another, in which nothing was attached.
            if asyncio.current_task() is task:
                self._context.detach(token)
            span.end()

    def _attempt_began(self, began: AttemptBegan) -> None:
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": began.provider,
            "gen_ai.request.model": began.model,
            "gen_ai.request.stream": True,
            "thinkaloud.attempt": began.number,
        }
        name = f"attempt {began.model}"
        span = self._tracer.start_span(name, kind=self._trace.SpanKind.CLIENT, attributes=attributes)
        token = self._context.attach(self._trace.set_span_in_context(span))
        self._attempts[began.run_id, began.number] = span, _now_ns(span), token

    def _attempt_ended(self, ended: AttemptEnded) -> None:
        span, began_ns, token = self._attempts.pop((ended.run_id, ended.number))
        self._context.detach(token)
        # The moments were taken by the clock of the engine, each as so long after the one before.
        moments = (
            ("connected", ended.connect_ms, ended.connect_ms),
            ("first_byte", ended.first_byte_ms, ended.connect_ms + ended.first_byte_ms),
            ("first_token", ended.first_token_ms, ended.first_token_ms),
        )
        for name, took_ms, after_ms in moments:
            if took_ms:
                span.add_event(name, {"thinkaloud.ms": took_ms}, timestamp=began_ns + round(after_ms * 1e6))
        if ended.attempt.status:
            span.set_attribute("http.response.status_code", ended.attempt.status)
        if ended.attempt.code:
            self._fail(span, ended.attempt.code)
        elif ended.cancelled:
            span.set_attribute("thinkaloud.cancelled", True)
        span.end()

    def _run_ended(self, run: RunEnded) -> None:
        span = self._runs.pop(run.run.run_id)
        usage, timing = run.usage, run.timing
        span.set_attributes(
            {
                "gen_ai.provider.name": run.provider,
                "gen_ai.request.model": run.run.model,
                "gen_ai.response.model": run.model,
                "gen_ai.response.finish_reasons": (run.finish_reason,) if run.finish_reason else (),
                "gen_ai.response.time_to_first_chunk": timing.first_token_ms / 1000,
                "gen_ai.usage.input_tokens": usage.input_tokens,
                "gen_ai.usage.output_tokens": usage.output_tokens,
                "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
                "thinkaloud.attempts": run.attempts,
            }
        )
        if usage.cost_usd is not None:
            span.set_attribute("thinkaloud.cost_usd", usage.cost_usd)
        if run.reason:
            self._fail(span, run.reason)
        span.end()

    def _fail(self, span: Any, why: str) -> None:
        span.set_attribute("error.type", why)
        span.set_status(self._trace.StatusCode.ERROR)


def _now_ns(span: Any) -> int:
    """When the span began, by its own clock; 0 for one that is not recorded, which takes no event either."""
    return int(span.start_time) if span.is_recording() else 0
