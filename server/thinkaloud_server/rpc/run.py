"""RunService: watch, look at, list and stop runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from thinkaloud.v1 import run_service_pb2 as pb
from thinkaloud_server.core.run import RunState
from thinkaloud_server.rpc import field, wire
from thinkaloud_server.rpc.call import Call, tenant_of
from thinkaloud_server.rpc.departure import Departure
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.page import PageTokens, fitting
from thinkaloud_server.rpc.ports import Engine
from thinkaloud_server.rpc.stream import follow

_STATES: tuple[RunState, ...] = ("running", "completed", "failed")


class RunServicer:
    """Runs belong to nobody's connection: any call may name any run of its tenant."""

    def __init__(self, engine: Engine, limits: Limits, departure: Departure, pages: PageTokens) -> None:
        self._engine = engine
        self._limits = limits
        self._departure = departure
        self._pages = pages

    def watch_run(self, request: pb.WatchRunRequest, call: Call) -> AsyncGenerator[pb.WatchRunResponse, None]:
        """Everything after event N."""
        call.run_id = field.identifier("run_id", "run", request.run_id)
        return follow(
            self._engine,
            tenant_of(call),
            call.run_id,
            after_sequence=field.after_sequence(request.after_sequence),
            audience=_audience(request),
            heartbeat_s=self._limits.heartbeat_s,
            departure=self._departure,
            response=pb.WatchRunResponse,
            call=call,
        )

    async def get_run(self, request: pb.GetRunRequest, call: Call) -> pb.GetRunResponse:
        """The run and, when it has ended, how."""
        call.run_id = field.identifier("run_id", "run", request.run_id)
        run, terminal = await self._engine.get_run(tenant_of(call), call.run_id)
        return pb.GetRunResponse(run=wire.run_to_proto(run, terminal, _audience(request)))

    async def stop_run(self, request: pb.StopRunRequest, call: Call) -> pb.StopRunResponse:
        """Stop it, and answer when it is settled."""
        call.run_id = field.identifier("run_id", "run", request.run_id)
        run, terminal = await self._engine.stop(tenant_of(call), call.run_id)
        return pb.StopRunResponse(run=wire.run_to_proto(run, terminal, _audience(request)))

    async def list_runs(self, request: pb.ListRunsRequest, call: Call) -> pb.ListRunsResponse:
        """Newest first, without results."""
        if request.conversation_id:
            field.identifier("conversation_id", "conv", request.conversation_id)
        state = field.one_of("state", request.state, _STATES) if request.state else None
        of = (tenant_of(call), "runs", request.conversation_id, request.state)
        page_token = self._pages.taken(request.page_token, *of)

        async def fetch(page_size: int) -> pb.ListRunsResponse:
            page = await self._engine.list_runs(
                tenant_of(call),
                conversation_id=request.conversation_id,
                state=state,
                page_size=page_size,
                page_token=page_token,
            )
            return pb.ListRunsResponse(
                runs=[wire.run_to_proto(run, None, wire.Audience()) for run in page.items],
                next_page_token=self._pages.given(page.next_page_token, *of),
            )

        size = field.page_size(request.page_size)
        return await fitting(fetch, size, self._limits.response_bytes)


def _audience(request: pb.WatchRunRequest | pb.GetRunRequest | pb.StopRunRequest) -> wire.Audience:
    fallback = request.reasoning_only_fallback if request.HasField("reasoning_only_fallback") else None
    return wire.Audience.of(request.include_reasoning, fallback)
