"""What a request asks for, read from any dialect: which model, as a stream or not, and the messages.

It is read leniently: a server that stands in for a provider is there to answer, not to teach its client the format.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from thinkaloud_server.core.message import Message, Part, Role, TextPart, ToolResult
from thinkaloud_server.core.request import ModelRequest, Sampling, Tool

# Formats that stream unless they are told otherwise, and those where the path says which.
_STREAMS_UNASKED = frozenset({"ollama"})


@dataclass(frozen=True, slots=True)
class Route:
    """What a path is for: in `action` one of "answer", "stream", "models", "model" and "version"."""

    dialect: str
    action: str
    model: str = ""


# Ends of paths, whatever stands before them: gateways serve these formats below prefixes of their own.
_ENDS: tuple[tuple[str, str, Route], ...] = (
    ("POST", "/chat/completions", Route("openai-chat", "answer")),
    ("POST", "/responses", Route("openai-responses", "answer")),
    ("POST", "/messages", Route("anthropic-messages", "answer")),
    ("POST", "/v2/chat", Route("cohere-v2", "answer")),
    ("POST", "/api/chat", Route("ollama", "answer")),
    ("POST", "/api/show", Route("ollama", "model")),
    ("GET", "/api/tags", Route("ollama", "models")),
    ("GET", "/api/version", Route("ollama", "version")),
    ("GET", "/v1beta/models", Route("gemini", "models")),
    ("GET", "/foundation-models", Route("bedrock-converse", "models")),
    ("GET", "/models", Route("openai-chat", "models")),
)
_METHODS = {":streamGenerateContent": "stream", ":generateContent": "answer"}
_OPERATIONS = {"/converse-stream": "stream", "/converse": "answer"}


def route_of(method: str, path: str) -> Route | None:
    """What is asked for at this path; None for a path of no dialect. `path` is as on the wire, still quoted."""
    path = path.rstrip("/")
    if method == "POST":
        for end, action in _METHODS.items():
            if path.endswith(end) and "/models/" in path:
                return Route("gemini", action, unquote(path.removesuffix(end).rpartition("/models/")[2]))
        for end, action in _OPERATIONS.items():
            if path.endswith(end) and "/model/" in path:
                return Route("bedrock-converse", action, unquote(path.removesuffix(end).rpartition("/model/")[2]))
    for known, end, route in _ENDS:
        if method == known and path.endswith(end):
            return route
    if method == "GET" and "/models/" in path:
        model = unquote(path.partition("/models/")[2])
        return Route("gemini" if "/v1beta/" in path else "openai-chat", "model", model)
    return None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for an answer."""

    dialect: str
    streamed: bool
    request: ModelRequest

    @property
    def model(self) -> str:
        return self.request.model


def asked_of(route: Route, body: bytes) -> Asked:
    """The request of this body. Raises ValueError for a body that is no JSON object."""
    value = json.loads(body.decode("utf-8", "replace"))
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for all that is no request
    model = route.model or value.get("model") or ""
    streamed = value.get("stream", route.dialect in _STREAMS_UNASKED)
    if route.dialect in ("gemini", "bedrock-converse"):
        streamed = route.action == "stream"
    tools = tuple(_tools(value))
    request = ModelRequest(
        model=model if isinstance(model, str) else "",
        messages=tuple(_messages(value)) or (Message("user", (TextPart(""),)),),
        tools=tools,
        sampling=Sampling(max_output_tokens=_limit(value)),
    )
    return Asked(route.dialect, bool(streamed), request)


_ROLES: Mapping[str, Role] = {
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
}


def _messages(value: Mapping[str, Any]) -> Iterator[Message]:
    said: Any = next((value[name] for name in ("messages", "contents", "input") if value.get(name)), [])
    if isinstance(said, str):
        said = [{"role": "user", "content": said}]
    for each in said if isinstance(said, list) else []:
        if not isinstance(each, dict):
            continue
        role = str(each.get("role", "user"))
        content = each.get("content", each.get("parts"))
        if role == "tool" or each.get("type") == "function_call_output":
            yield Message("tool", (_result(each.get("output", content)),))
        elif parts := tuple(_parts(content)):
            answered = any(isinstance(part, ToolResult) for part in parts)
            yield Message("tool" if answered else _ROLES.get(role, "user"), parts)


def _parts(content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        yield TextPart(content)
        return
    for part in content if isinstance(content, list) else []:
        if not isinstance(part, dict):
            continue
        if isinstance(text := part.get("text"), str) and not part.get("thought"):
            yield TextPart(text)
        for name, field in (("functionResponse", "response"), ("toolResult", "content"), ("tool_result", "content")):
            if isinstance(part.get(name), dict):
                yield _result(part[name].get(field))
            elif part.get("type") == name:
                yield _result(part.get(field))


def _result(value: Any) -> ToolResult:
    return ToolResult("", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _tools(value: Mapping[str, Any]) -> Iterator[Tool]:
    """Whatever is called a tool and has a name, at most two levels down."""
    given = value.get("tools") or (value.get("toolConfig") or {}).get("tools") or []
    for each in given if isinstance(given, list) else []:
        if not isinstance(each, dict):
            continue
        inner = each.get("functionDeclarations") or [each.get("function") or each.get("toolSpec") or each]
        for tool in inner:
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                schema = tool.get("parameters") or tool.get("input_schema") or tool.get("inputSchema") or {}
                yield Tool(tool["name"], str(tool.get("description", "")), json.dumps(schema.get("json", schema)))


_LIMITS = (
    ("max_tokens",),
    ("max_completion_tokens",),
    ("max_output_tokens",),
    ("generationConfig", "maxOutputTokens"),
    ("options", "num_predict"),
    ("inferenceConfig", "maxTokens"),
)


def _limit(value: Mapping[str, Any]) -> int | None:
    for path in _LIMITS:
        found: Any = value
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, int) and found > 0:
            return found
    return None
