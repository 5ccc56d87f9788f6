"""SystemService: how the server is, what it is, what it can do and what it has used."""

from __future__ import annotations

from thinkaloud.v1 import system_service_pb2 as pb
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.run import TokenTotals
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.engine.quota import DayBudget
from thinkaloud_server.rpc import process, wire
from thinkaloud_server.rpc.call import Call, tenant_of
from thinkaloud_server.rpc.identify import Authenticator, is_known
from thinkaloud_server.rpc.interceptors import settled
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.ports import Engine, EngineStatus

API_VERSION = "v1"
_STORE_TIMEOUT_S = 1.0
# What clients may ask for; what is false here is refused, and comes later.
CAPABILITIES = {
    "streaming_supported": True,
    "reasoning_supported": True,
    "resume_supported": True,
    "batch_supported": True,
    "conversations_supported": True,
    "caller_tools_supported": True,
    "model_switching": True,
    "vision_enabled": False,
    "context_files": False,
    "file_upload": True,
    "checkpoint_management": False,
    "task_execution": False,
    "run_mode": False,
}


def published(limits: Limits) -> pb.Limits:
    """The limits that callers are told, of all that there are."""
    return pb.Limits(
        text_chars=limits.text_chars,
        request_bytes=limits.request_bytes,
        websocket_message_bytes=limits.websocket_message_bytes,
        image_bytes=limits.image_bytes,
        upload_bytes=limits.upload_bytes,
        max_iterations=limits.iterations,
        run_s=limits.run_s,
        batch_requests=limits.batch_requests,
        websocket_idle_s=limits.websocket_idle_s,
        output_tokens=limits.output_tokens,
    )


class SystemServicer:
    """The server's account of itself."""

    def __init__(
        self, engine: Engine, limits: Limits, *, clock: Clock, version: str, authenticator: Authenticator | None
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._version = version
        self._authenticator = authenticator
        self._started_at = clock.monotonic()

    async def get_health(self, request: pb.GetHealthRequest, call: Call) -> pb.GetHealthResponse:
        """Asks the store for something small; a store that does not answer makes the server unhealthy.

        Anybody may ask, as load balancers do; whoever has no credential where one is needed is told the verdict alone.
        """
        status = self._engine.status()
        store = await settled(
            self._engine.store.get_setting(tenant_of(call), "health"),
            method=call.method,
            request_id=call.request_id,
            timeout_s=_STORE_TIMEOUT_S,
        )
        store_fault = store.message if isinstance(store, ChatError) else ""
        answer = pb.GetHealthResponse(status=_health(status, store_fault), timestamp=wire.timestamp(self._clock.time()))
        if await is_known(self._authenticator, call):
            answer.MergeFrom(self._details(status, store_fault))
        return answer

    def _details(self, status: EngineStatus, store_fault: str) -> pb.GetHealthResponse:
        return pb.GetHealthResponse(
            uptime=self._clock.monotonic() - self._started_at,
            resource_usage=pb.ResourceUsage(
                memory_bytes=process.memory_bytes(), cpu_s=process.cpu_s(), open_files=process.open_files()
            ),
            agent_capacity=pb.AgentCapacity(
                max=status.runs_max,
                active=status.live_runs,
                available=max(status.runs_max - status.live_runs, 0),
                utilization=status.live_runs / status.runs_max if status.runs_max else 1.0,
            ),
            performance_metrics=pb.PerformanceMetrics(
                runs_total=status.runs_total,
                runs_failed=status.runs_failed,
                first_token_ms=status.first_token_ms,
                commit_ms=status.commit_ms,
            ),
            components={
                "store": store_fault or "healthy",
                "engine": "draining" if status.draining else "healthy",
            },
        )

    async def get_info(self, request: pb.GetInfoRequest, call: Call) -> pb.GetInfoResponse:
        """Name, version, providers without their keys; where those are is for admins to know."""
        models = self._engine.models
        told = "admin" in call.identity.scopes
        return pb.GetInfoResponse(
            name="thinkaloud",
            version=self._version,
            api_version=API_VERSION,
            current_model=await models.current(tenant_of(call), call.identity),
            providers=[
                pb.ProviderInfo(name=name, dialect=provider.dialect, base_url=provider.base_url if told else "")
                for name, provider in models.providers.items()
            ],
            store=self._engine.store.kind,
        )

    async def get_status(self, request: pb.GetStatusRequest, call: Call) -> pb.GetStatusResponse:
        """What it does just now."""
        status = self._engine.status()
        return pb.GetStatusResponse(
            status="draining" if status.draining else "active",
            streaming_active=status.live_runs > 0,
            live_runs=status.live_runs,
            watchers=status.watchers,
            timestamp=wire.timestamp(self._clock.time()),
        )

    async def get_capabilities(self, request: pb.GetCapabilitiesRequest, call: Call) -> pb.GetCapabilitiesResponse:
        """What it can do, and what it refuses."""
        return pb.GetCapabilitiesResponse(
            capabilities=CAPABILITIES,
            current_model=await self._engine.models.current(tenant_of(call), call.identity),
            api_version=API_VERSION,
            version=self._version,
            limits=published(self._limits),
        )

    async def get_token_usage(self, request: pb.GetTokenUsageRequest, call: Call) -> pb.GetTokenUsageResponse:
        """Sums over the ended runs of the caller's tenant, and the budget of its key."""
        store = self._engine.store
        totals = await store.token_totals(tenant_of(call))
        last = await store.last_usage(tenant_of(call))
        total = TokenTotals()
        for each in totals.values():
            total = TokenTotals(total.runs + each.runs, total.usage + each.usage)
        response = pb.GetTokenUsageResponse(total=_totals(total))
        for model, each in totals.items():
            response.models[model].CopyFrom(_totals(each))
        if last is not None:
            response.last.CopyFrom(wire.usage_to_proto(last))
        budget = await self._engine.budget(call.identity)
        if budget is not None:
            response.budget.CopyFrom(_budget(budget))
        return response


def _health(status: EngineStatus, store_fault: str) -> str:
    if store_fault:
        return "unhealthy"
    if status.draining:
        return "degraded"
    return "at_capacity" if status.live_runs >= status.runs_max else "healthy"


def _budget(budget: DayBudget) -> pb.KeyBudget:
    return pb.KeyBudget(
        tokens_per_day=budget.tokens or None,
        tokens_today=budget.spent.tokens,
        cost_usd_per_day=budget.cost_usd or None,
        cost_usd_today=budget.spent.cost_usd,
        resets_at=wire.timestamp(budget.ends_at),
    )


def _totals(totals: TokenTotals) -> pb.TokenTotals:
    usage = totals.usage
    return pb.TokenTotals(
        runs=totals.runs,
        input=usage.input_tokens,
        output=usage.output_tokens,
        reasoning=usage.reasoning_tokens,
        cached=usage.cached_tokens,
        cost_usd=usage.cost_usd,
    )
