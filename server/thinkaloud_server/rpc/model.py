"""ModelService: which models there are and which one is current."""

from __future__ import annotations

from thinkaloud.v1 import model_service_pb2 as pb
from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.rpc import field, wire
from thinkaloud_server.rpc.call import Call, tenant_of
from thinkaloud_server.rpc.ports import Engine

_FILTER_CHARS_MAX = 256
_REASONING = ("none", "optional", "mandatory", "any")


class ModelServicer:
    """The engine's models, as messages."""

    def __init__(self, engine: Engine) -> None:
        self._models = engine.models

    async def list_models(self, request: pb.ListModelsRequest, call: Call) -> pb.ListModelsResponse:
        """In the order of providers, then of names."""
        for name, text in (("provider", request.provider), ("search", request.search)):
            if len(text) > _FILTER_CHARS_MAX:
                raise invalid(name, f"must be at most {_FILTER_CHARS_MAX} characters, got {len(text)}")
        models, notes = await self._models.list(
            call.identity,
            provider=request.provider,
            search=request.search,
            min_context=field.integer("min_context", request.min_context, 0),
            reasoning=field.one_of("reasoning", request.reasoning, _REASONING) if request.reasoning else "",
        )
        current = await self._models.current(tenant_of(call), call.identity)
        return pb.ListModelsResponse(models=[wire.model_to_proto(model, current) for model in models], notes=notes)

    async def get_current_model(self, request: pb.GetCurrentModelRequest, call: Call) -> pb.GetCurrentModelResponse:
        """What the listing says of it; its name alone where it is not listed."""
        current = await self._models.current(tenant_of(call), call.identity)
        call.identity.check_model(current)
        provider, _, name = current.partition("/")
        listed, _ = await self._models.list(call.identity, provider=provider)
        model = next((each for each in listed if each.id == current), ModelInfo(name, provider))
        return pb.GetCurrentModelResponse(model=wire.model_to_proto(model, current))

    async def switch_model(self, request: pb.SwitchModelRequest, call: Call) -> pb.SwitchModelResponse:
        """Use another one from now on."""
        if not request.model_id:
            raise invalid("model_id", 'must be "provider/name"')
        model_id = field.model_id("model_id", request.model_id)
        current = await self._models.switch(tenant_of(call), call.identity, model_id)
        return pb.SwitchModelResponse(ok=True, status="success", model_id=model_id, current_model=current)
