"""A ChatRequest to a Turn: every rule of the contract's comments, each refused with the field's name.

Nothing is truncated, corrected or ignored: what the server cannot do yet is refused like what it may not do.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.identity import ANYBODY, Identity
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import EFFORTS, ReasoningControl, ResponseFormat, Sampling, Tool
from thinkaloud_server.core.turn import OnBusy, Turn
from thinkaloud_server.rpc import field
from thinkaloud_server.rpc.history import history_of, results_of
from thinkaloud_server.rpc.limits import Limits

ITERATIONS_DEFAULT = 5
DETACH_DEFAULT_S = 15
DETACH_MAX_S = 86_400
STOPS_MAX = 16
FALLBACK_MODELS_MAX = 16

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_NAME_RULE = 'must be 1 to 64 letters, digits, "_" or "-"'
_SUMMARIES: tuple[Literal["auto", "concise", "detailed"], ...] = ("auto", "concise", "detailed")
_FORMATS: tuple[Literal["text", "json_object", "json_schema"], ...] = ("text", "json_object", "json_schema")
_ON_BUSY: tuple[OnBusy, ...] = ("reject", "queue", "interrupt")
_NO_PARAMETERS = '{"type":"object","properties":{}}'
# What the contract has and this server does not do yet.
_NOT_YET = ("context_files", "image_path", "image_paths", "image_url", "image_urls")


def turn_of(
    request: pb.ChatRequest,
    limits: Limits,
    *,
    request_id: str,
    deadline_s: float | None,
    identity: Identity = ANYBODY,
) -> Turn:
    """The turn that the request asks for. Raises ChatError with the field that holds what it may not."""
    for name in _NOT_YET:
        if getattr(request, name):
            raise invalid(name, "this server cannot put files or pictures before a model yet; leave it out")
    user_message, messages = _said(request, limits)
    tools = _tools(request)
    store = request.store if request.HasField("store") else True
    conversation_id = request.conversation_id
    if conversation_id:
        field.identifier("conversation_id", "conv", conversation_id)
    key = field.idempotency_key(request.idempotency_key)
    return Turn(
        user_message=user_message,
        messages=messages,
        conversation_id=conversation_id,
        model=field.model_id("model", request.model),
        reasoning=_reasoning(request.reasoning, limits) if request.HasField("reasoning") else None,
        tools=tools,
        tool_choice=_tool_choice(request.tool_choice, tools),
        sampling=_sampling(request, limits),
        response_format=(_response_format(request.response_format) if request.HasField("response_format") else None),
        context=_context(request.context, limits),
        max_iterations=_iterations(request, limits),
        metadata=field.metadata(request.metadata),
        store=store,
        idempotency_key=key,
        request_hash=request_hash(request) if key else "",
        detach_s=_detach(request, store),
        on_busy=field.one_of("on_busy", request.on_busy or "reject", _ON_BUSY),
        fallback_models=_fallback_models(request),
        request_id=request_id,
        deadline_s=deadline_s,
        identity=identity,
    )


def request_hash(request: pb.ChatRequest) -> str:
    """A digest of what is asked, apart from who sees it and how long it outlives its caller."""
    asked = pb.ChatRequest()
    asked.CopyFrom(request)
    for name in ("idempotency_key", "include_reasoning", "reasoning_only_fallback", "detach"):
        asked.ClearField(name)
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()


def _said(request: pb.ChatRequest, limits: Limits) -> tuple[Message | None, tuple[Message, ...]]:
    """Either the user's message, or the results of tools for a stored conversation, or the caller's own history."""
    if not request.messages:
        field.bounded(request.text, "text", limits.text_chars)
        if not request.text.strip():
            raise invalid("text", "must say something, or give messages")
        return Message("user", (TextPart(request.text),)), ()
    if request.text:
        raise invalid("messages", "cannot be given together with text: put the question into the last one")
    if request.conversation_id:
        return results_of(request.messages, limits.text_chars), ()
    return None, history_of(request.messages, limits.text_chars)


def _reasoning(control: pb.ReasoningControl, limits: Limits) -> ReasoningControl:
    max_tokens = control.max_tokens if control.HasField("max_tokens") else None
    if control.effort and max_tokens is not None:
        raise invalid("reasoning", "must have at most one of effort and max_tokens")
    if max_tokens is not None:
        field.integer("reasoning.max_tokens", max_tokens, 1, limits.output_tokens)
    return ReasoningControl(
        effort=field.one_of("reasoning.effort", control.effort, EFFORTS) if control.effort else None,
        max_tokens=max_tokens,
        summary=(field.one_of("reasoning.summary", control.summary, _SUMMARIES) if control.summary else None),
    )


def _tools(request: pb.ChatRequest) -> tuple[Tool, ...]:
    tools: dict[str, Tool] = {}
    for place, tool in enumerate(request.tools):
        path = f"tools[{place}]"
        if not _NAME.match(tool.name):
            raise invalid(f"{path}.name", _NAME_RULE)
        if tool.name in tools:
            raise invalid(f"{path}.name", f"must be the name of one tool only, {tool.name!r} is there twice")
        tools[tool.name] = Tool(
            name=tool.name,
            description=field.clean(f"{path}.description", tool.description),
            parameters=(
                field.json_schema(f"{path}.parameters", tool.parameters) if tool.parameters else _NO_PARAMETERS
            ),
            strict=tool.strict,
        )
    return tuple(tools.values())


def _tool_choice(choice: str, tools: tuple[Tool, ...]) -> str:
    if not tools and choice in ("auto", "none"):
        return ""  # true without tools, and some providers refuse a choice among none
    if choice and not tools:
        raise invalid("tool_choice", "needs tools to choose from")
    if choice and choice not in ("auto", "none", "required") and choice not in {tool.name for tool in tools}:
        raise invalid("tool_choice", 'must be "auto", "none", "required" or the name of one of the tools')
    return choice


def _sampling(request: pb.ChatRequest, limits: Limits) -> Sampling:
    if len(request.stop) > STOPS_MAX:
        raise invalid("stop", f"must have at most {STOPS_MAX} entries, got {len(request.stop)}")
    for place, stop in enumerate(request.stop):
        if not stop:
            raise invalid(f"stop[{place}]", "must not be empty")
        field.clean(f"stop[{place}]", stop)
    return Sampling(
        temperature=(field.real("temperature", request.temperature, 0, 2) if request.HasField("temperature") else None),
        top_p=field.real("top_p", request.top_p, 0, 1) if request.HasField("top_p") else None,
        max_output_tokens=(
            field.integer("max_output_tokens", request.max_output_tokens, 1, limits.output_tokens)
            if request.HasField("max_output_tokens")
            else None
        ),
        stop=tuple(request.stop),
        seed=request.seed if request.HasField("seed") else None,
    )


def _response_format(form: pb.ResponseFormat) -> ResponseFormat:
    kind = field.one_of("response_format.type", form.type, _FORMATS)
    if kind != "json_schema":
        for name in ("name", "schema", "strict"):
            if getattr(form, name):
                raise invalid(f"response_format.{name}", "goes with the type json_schema only")
        return ResponseFormat(kind)
    if not _NAME.match(form.name):
        raise invalid("response_format.name", _NAME_RULE)
    schema = field.json_schema("response_format.schema", form.schema)
    return ResponseFormat(kind, form.name, schema, form.strict)


def _context(context: Struct, limits: Limits) -> str:
    try:
        facts = json_format.MessageToDict(context)
    except ValueError as error:  # NaN and infinities, which JSON does not have
        raise invalid("context", "numbers must be finite") from error
    return field.bounded(field.json_text(facts), "context", limits.text_chars)


def _iterations(request: pb.ChatRequest, limits: Limits) -> int:
    if not request.HasField("max_iterations"):
        return ITERATIONS_DEFAULT
    return field.integer("max_iterations", request.max_iterations, 1, limits.iterations)


def _detach(request: pb.ChatRequest, store: bool) -> int:
    if not request.HasField("detach"):
        return DETACH_DEFAULT_S if store else 0
    return field.integer("detach", request.detach, -1, DETACH_MAX_S)


def _fallback_models(request: pb.ChatRequest) -> tuple[str, ...]:
    models = request.fallback_models
    if len(models) > FALLBACK_MODELS_MAX:
        raise invalid("fallback_models", f"must have at most {FALLBACK_MODELS_MAX} entries, got {len(models)}")
    for place, model in enumerate(models):
        if not model:
            raise invalid(f"fallback_models[{place}]", "must not be empty")
        field.model_id(f"fallback_models[{place}]", model)
    return tuple(models)
