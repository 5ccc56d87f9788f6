"""A collector of spans: OTLP over HTTP on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class Collector:
    """Keeps every span that it is sent."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.spans: list[Any] = []
        self.raw = b""

    async def _take(self, request: web.Request) -> web.Response:
        from gzip import decompress

        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        body = await request.read()
        self.raw += decompress(body) if request.headers.get("content-encoding") == "gzip" else body
        taken = ExportTraceServiceRequest.FromString(body)
        self.spans += [span for each in taken.resource_spans for scope in each.scope_spans for span in scope.spans]
        return web.Response(body=b"", content_type="application/x-protobuf")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Collector]:
        application = web.Application()
        application.router.add_post("/v1/traces", self._take)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def named(self, name: str) -> list[Any]:
        found = [span for span in self.spans if span.name == name]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


def attributes(span: Any) -> Mapping[str, Any]:
    """What a span was given, as plain values."""

    def plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        return [plain(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)

    return {each.key: plain(each.value) for each in span.attributes}
