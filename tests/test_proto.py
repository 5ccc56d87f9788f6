"""What every face promises, read from the protos themselves: nothing here needs buf, a server or a socket."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

import grpc_tools  # type: ignore[import-untyped]  # no stubs
import pytest
from google.api import annotations_pb2, http_pb2  # type: ignore[import-untyped]  # generated, no stubs
from google.protobuf import descriptor_pb2, json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.rpc import code_pb2  # type: ignore[import-untyped]  # generated, no stubs
from grpc_tools import protoc

from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.web.file import file_of

PROTO = Path(__file__).parents[1] / "proto"
NAMES = sorted(path.name for path in (PROTO / "thinkaloud" / "v1").glob("*.proto"))

# contract.md §2, for the methods that exist.
ROUTES = {
    "ChatService.Chat": {"POST chat/stream-sse", "GET chat/stream-sse"},
    "ChatService.SendMessage": {"POST chat/message"},
    "ChatService.BatchChat": {"POST chat/batch"},
    "RunService.WatchRun": {"GET runs/{run_id}/events"},
    "RunService.GetRun": {"GET runs/{run_id}"},
    "RunService.ListRuns": {"GET runs"},
    "RunService.StopRun": {"POST runs/{run_id}/stop"},
    "ConversationService.CreateConversation": {"POST conversations/create"},
    "ConversationService.GetConversation": {"GET conversations/{conversation_id}"},
    "ConversationService.ListConversations": {"GET conversations"},
    "ConversationService.UpdateConversation": {"PATCH conversations/{conversation_id}"},
    "ConversationService.DeleteConversation": {"DELETE conversations/{conversation_id}"},
    "ConversationService.GetHistory": {"GET conversations/{conversation_id}/history"},
    "ModelService.ListModels": {"GET models", "GET models/discover"},
    "ModelService.GetCurrentModel": {"GET models/current"},
    "ModelService.SwitchModel": {"POST models/switch", "POST models/load"},
    "SystemService.GetHealth": {"GET health"},
    "SystemService.GetInfo": {"GET system/info", "GET system-info"},
    "SystemService.GetStatus": {"GET system/status"},
    "SystemService.GetCapabilities": {"GET capabilities"},
    "SystemService.GetTokenUsage": {"GET token-usage"},
    "IdentityService.GetIdentity": {"GET identity"},
    "IdentityService.CreateSocketToken": {"POST identity/socket-tokens"},
    "IdentityService.HoldSocket": set(),  # for whoever serves WebSockets, over gRPC
    "UploadService.Upload": {"POST upload"},
    "UploadService.GetUpload": {"GET uploads/{upload_id}"},
    "UploadService.ListUploads": {"GET uploads"},
    "UploadService.DeleteUpload": {"DELETE uploads/{upload_id}"},
}

# contract.md §3: reasons, gRPC code, HTTP status.
FACES = [
    (
        "AUTH_REQUIRED AUTH_INVALID AUTH_EXPIRED AUTH_NOT_YET_VALID AUTH_REVOKED WS_TOKEN_INVALID WS_TOKEN_USED",
        "UNAUTHENTICATED",
        401,
    ),
    ("SCOPE_DENIED MODEL_NOT_ALLOWED ORIGIN_NOT_ALLOWED ACTION_DENIED", "PERMISSION_DENIED", 403),
    ("NOT_FOUND MODEL_NOT_FOUND", "NOT_FOUND", 404),
    ("ALREADY_EXISTS", "ALREADY_EXISTS", 409),
    (
        "MALFORMED_REQUEST VALIDATION_FAILED UNKNOWN_FIELD INVALID_ID INVALID_PAGE_TOKEN IDEMPOTENCY_KEY_INVALID "
        "SEQUENCE_INVALID PATH_NOT_ALLOWED URL_NOT_ALLOWED URL_SCHEME_NOT_ALLOWED URL_FETCH_FAILED INVALID_IMAGE "
        "IMAGE_TOO_LARGE HOST_NOT_ALLOWED",
        "INVALID_ARGUMENT",
        400,
    ),
    ("UNSUPPORTED_MEDIA_TYPE", "INVALID_ARGUMENT", 415),
    ("NOT_ACCEPTABLE", "INVALID_ARGUMENT", 406),
    ("METHOD_NOT_ALLOWED", "INVALID_ARGUMENT", 405),
    ("TEXT_TOO_LONG CONTEXT_TOO_LONG", "INVALID_ARGUMENT", 413),
    ("MESSAGE_TOO_LARGE UPLOAD_TOO_LARGE", "RESOURCE_EXHAUSTED", 413),
    ("HEADERS_TOO_LARGE", "RESOURCE_EXHAUSTED", 431),
    ("REQUEST_TIMEOUT IDLE_TIMEOUT SLOW_CONSUMER", "ABORTED", 408),
    ("IDEMPOTENCY_KEY_REUSED", "INVALID_ARGUMENT", 422),
    ("CONVERSATION_BUSY", "ABORTED", 409),
    ("SEQUENCE_AHEAD", "OUT_OF_RANGE", 400),
    ("EVENTS_EXPIRED", "OUT_OF_RANGE", 410),
    (
        "RATE_LIMITED AUTH_RATE_LIMITED QUOTA_EXCEEDED BUDGET_EXCEEDED TOO_MANY_RUNS TOO_MANY_CONNECTIONS "
        "TOO_MANY_STREAMS",
        "RESOURCE_EXHAUSTED",
        429,
    ),
    ("OVERLOADED DRAINING STORAGE_UNAVAILABLE", "UNAVAILABLE", 503),
    (
        "UPSTREAM_ERROR UPSTREAM_PROTOCOL_ERROR UPSTREAM_TRUNCATED EMPTY_RESPONSE REASONING_STATE_INVALID",
        "ABORTED",
        502,
    ),
    ("UPSTREAM_TIMEOUT", "ABORTED", 504),
    ("UPSTREAM_RATE_LIMITED RUN_INTERRUPTED", "ABORTED", 503),
    ("UPSTREAM_AUTH", "FAILED_PRECONDITION", 502),
    ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", 504),
    ("UNIMPLEMENTED", "UNIMPLEMENTED", 501),
    ("INTERNAL", "INTERNAL", 500),
]
FACE_CASES = [(reason, grpc, http) for reasons, grpc, http in FACES for reason in reasons.split()]

# contract.md §1, in no order.
EVENTS = {
    *("start", "progress", "reasoning", "token", "tool_call", "action", "status", "message", "warning"),
    *("heartbeat", "complete", "error"),
}


@cache
def file(name: str) -> FileDescriptor:
    """The generated descriptor of one proto file."""
    module = importlib.import_module(f"thinkaloud.v1.{name.removesuffix('.proto')}_pb2")
    descriptor: FileDescriptor = module.DESCRIPTOR
    return descriptor


def messages() -> Iterator[Descriptor]:
    def below(message: Descriptor) -> Iterator[Descriptor]:
        yield message
        for nested in message.nested_types:
            yield from below(nested)

    for name in NAMES:
        for message in file(name).message_types_by_name.values():
            yield from below(message)


def methods() -> list[MethodDescriptor]:
    services = [service for name in NAMES for service in file(name).services_by_name.values()]
    return [method for service in services for method in service.methods]


def reachable(message: Descriptor) -> dict[str, Descriptor]:
    """The messages of ours that this one may carry, itself included."""
    found: dict[str, Descriptor] = {}
    waiting = [message]
    while waiting:
        each = waiting.pop()
        if each.full_name not in found and each.full_name.startswith("thinkaloud."):
            found[each.full_name] = each
            waiting += [field.message_type for field in each.fields if field.message_type]
    return found


def rules(method: MethodDescriptor) -> list[http_pb2.HttpRule]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return [rule, *rule.additional_bindings] if rule.WhichOneof("pattern") else []


def route(rule: http_pb2.HttpRule) -> tuple[str, str]:
    verb = rule.WhichOneof("pattern") or ""
    return verb.upper(), str(getattr(rule, verb))


def _method_name(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}.{method.name}"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """The protos as protoc reads them now, comments included."""
    out = tmp_path_factory.mktemp("proto") / "set.bin"
    known = Path(annotations_pb2.__file__).parents[2]
    bundled = str(files(grpc_tools) / "_proto")
    arguments = ["protoc", f"-I{PROTO}", f"-I{known}", f"-I{bundled}", "--include_source_info"]
    sources = [f"thinkaloud/v1/{name}" for name in NAMES]
    assert protoc.main([*arguments, f"--descriptor_set_out={out}", *sources]) == 0
    parsed = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return {Path(each.name).name: each for each in parsed.file}


@pytest.mark.parametrize("name", NAMES)
def test_generated_code_is_of_these_protos(name: str, compiled: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    fresh = descriptor_pb2.FileDescriptorProto()
    fresh.CopyFrom(compiled[name])
    fresh.ClearField("source_code_info")
    generated = descriptor_pb2.FileDescriptorProto()
    file(name).CopyToProto(generated)
    for each in (fresh, generated):  # protoc spells out the JSON names; what python keeps may leave them out
        for message in each.message_type:
            _without_json_names(message)
        for extension in each.extension:
            extension.ClearField("json_name")
    assert generated == fresh


def _without_json_names(message: descriptor_pb2.DescriptorProto) -> None:
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        _without_json_names(nested)


@pytest.mark.parametrize("name", NAMES)
def test_everything_has_a_comment(name: str, compiled: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    source = compiled[name]
    commented = {
        tuple(location.path)
        for location in source.source_code_info.location
        if (location.leading_comments or location.trailing_comments).strip()
    }
    assert [what for path, what in _elements(source) if path not in commented] == []


def _elements(source: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Whatever a reader meets, with its path: the numbers are those of descriptor.proto's fields."""

    def below(path: tuple[int, ...], message: descriptor_pb2.DescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
        if message.options.map_entry:
            return
        yield path, message.name
        for at, field in enumerate(message.field):
            yield (*path, 2, at), f"{message.name}.{field.name}"
        for at, nested in enumerate(message.nested_type):
            yield from below((*path, 3, at), nested)

    for at, message in enumerate(source.message_type):
        yield from below((4, at), message)
    for at, enum in enumerate(source.enum_type):
        yield (5, at), enum.name
        for value_at, value in enumerate(enum.value):
            yield (5, at, 2, value_at), value.name
    for at, service in enumerate(source.service):
        yield (6, at), service.name
        for method_at, method in enumerate(service.method):
            yield (6, at, 2, method_at), f"{service.name}.{method.name}"
    for at, extension in enumerate(source.extension):
        yield (7, at), extension.name


@pytest.mark.parametrize("method", methods(), ids=_method_name)
def test_every_method_has_the_routes_of_the_contract(method: MethodDescriptor) -> None:
    found = {" ".join(route(rule)).replace(" /api/v1/", " ") for rule in rules(method)}
    assert found == ROUTES[_method_name(method)]


def test_every_route_of_the_table_has_its_method_and_leads_to_one_only() -> None:
    assert {_method_name(method) for method in methods()} == set(ROUTES)
    taken = [route(rule) for method in methods() for rule in rules(method)]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("method", methods(), ids=_method_name)
def test_bodies_and_path_variables_are_fields(method: MethodDescriptor) -> None:
    inputs, outputs = method.input_type.fields_by_name, method.output_type.fields_by_name
    for rule in rules(method):
        verb, path = route(rule)
        assert set(re.findall(r"\{(\w+)\}", path)) <= set(inputs)
        assert rule.body in ("", "*") or rule.body in inputs
        assert bool(rule.body) == (verb in ("POST", "PATCH", "PUT"))
        assert not rule.response_body or rule.response_body in outputs


HOLDS_SOCKET = importlib.import_module("thinkaloud.v1.access_pb2").holds_socket


def _holds_socket(method: MethodDescriptor) -> bool:
    """The one stream that is for whoever serves WebSockets, and no face of its own."""
    holds: bool = method.GetOptions().Extensions[HOLDS_SOCKET]
    return holds


def test_one_method_is_called_for_every_websocket() -> None:
    (method,) = [method for method in methods() if _holds_socket(method)]
    assert method.server_streaming
    assert not rules(method)


def test_streams_carry_the_one_event_and_nothing_else() -> None:
    streams = [m for m in methods() if m.server_streaming and not _holds_socket(m) and file_of(m) is None]
    assert {_method_name(method) for method in streams} == {"ChatService.Chat", "RunService.WatchRun"}
    for method in streams:
        (field,) = method.output_type.fields
        assert field.message_type
        assert field.message_type.full_name == "thinkaloud.v1.ChatEvent"
        assert all(rule.response_body == field.name for rule in rules(method))


def test_the_events_are_those_of_the_contract() -> None:
    event = file("event.proto").message_types_by_name["ChatEvent"]
    (cases,) = event.oneofs
    assert {field.name for field in cases.fields} == EVENTS
    # One-byte tags, the frequent ones first: this is what goes over the wire a million times.
    assert all(field.number <= 15 for field in cases.fields)
    assert (event.fields_by_name["token"].number, event.fields_by_name["reasoning"].number) == (2, 3)


WORD_OF_64_BITS = {
    *(FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_SINT64),
    *(FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64),
}


@pytest.mark.parametrize("message", list(messages()), ids=lambda message: message.name)
def test_no_integer_becomes_a_string_in_json(message: Descriptor) -> None:
    assert [field.name for field in message.fields if field.type in WORD_OF_64_BITS] == []


@pytest.mark.parametrize("method", methods(), ids=_method_name)
def test_no_enum_crosses_a_json_face(method: MethodDescriptor) -> None:
    crossing = {**reachable(method.input_type), **reachable(method.output_type)}
    assert [field.full_name for each in crossing.values() for field in each.fields if field.enum_type] == []


# What carries reasoning; Part too, but only where it is input or inside a Message.
WITH_REASONING = {"thinkaloud.v1.CompleteEvent", "thinkaloud.v1.ReasoningEvent", "thinkaloud.v1.Message"}
# Lists runs without their results.
WITHOUT_RESULTS = {"RunService.ListRuns"}


@pytest.mark.parametrize("method", methods(), ids=_method_name)
def test_whoever_may_see_reasoning_must_ask_for_it(method: MethodDescriptor) -> None:
    shown = set(reachable(method.output_type)) & WITH_REASONING and _method_name(method) not in WITHOUT_RESULTS
    asked = any("include_reasoning" in each.fields_by_name for each in reachable(method.input_type).values())
    assert asked == bool(shown)


@pytest.mark.parametrize("owner", ["CompleteEvent", "Message"])
def test_reasoning_that_was_not_asked_for_is_absent(owner: str) -> None:
    (message,) = (message for message in messages() if message.name == owner)
    assert message.fields_by_name["reasoning"].has_presence


@pytest.mark.parametrize(
    "name",
    [
        *("reasoning", "reasoning_only_fallback", "max_iterations", "temperature", "top_p", "seed"),
        *("max_output_tokens", "response_format", "store", "detach"),
    ],
)
def test_a_knob_that_was_not_turned_is_absent(name: str) -> None:
    assert file("chat_service.proto").message_types_by_name["ChatRequest"].fields_by_name[name].has_presence


@pytest.mark.parametrize("message", list(messages()), ids=lambda message: message.name)
def test_json_names_are_the_protos_own(message: Descriptor) -> None:
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name) for field in message.fields)


def _face(name: str) -> object:
    errors = importlib.import_module("thinkaloud.v1.errors_pb2")
    face = importlib.import_module("thinkaloud.v1.error_face_pb2").face
    value = errors.ErrorReason.DESCRIPTOR.values_by_name[name]
    assert value.GetOptions().HasExtension(face), f"{name} has no face"
    return value.GetOptions().Extensions[face]


def test_every_reason_has_a_face() -> None:
    for value in file("errors.proto").enum_types_by_name["ErrorReason"].values:
        face = _face(value.name)
        assert getattr(face, "grpc") != code_pb2.OK  # noqa: B009 - generated, and unknown to the type checker
        assert 400 <= getattr(face, "http") <= 599  # noqa: B009


def test_the_reasons_are_those_of_the_contract_and_of_the_core() -> None:
    values = file("errors.proto").enum_types_by_name["ErrorReason"].values
    names = [value.name.removeprefix("ERROR_REASON_") for value in values if value.number]
    assert sorted(names) == sorted(reason for reason, _, _ in FACE_CASES)
    assert sorted(names) == sorted(ErrorReason)


@pytest.mark.parametrize(("reason", "grpc", "http"), FACE_CASES, ids=[reason for reason, _, _ in FACE_CASES])
def test_the_faces_of_a_reason_are_those_of_the_contract(reason: str, grpc: str, http: int) -> None:
    face = _face(f"ERROR_REASON_{reason}")
    assert (code_pb2.Code.Name(getattr(face, "grpc")), getattr(face, "http")) == (grpc, http)  # noqa: B009


def test_unavailable_means_this_replica_and_nothing_else() -> None:
    here = {reason for reason, grpc, _ in FACE_CASES if grpc == "UNAVAILABLE"}
    assert here == {"OVERLOADED", "DRAINING", "STORAGE_UNAVAILABLE"}


README = (PROTO / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_every_reason_with_its_faces() -> None:
    told = {}
    for row in re.findall(r"^\| (`[A-Z].*)$", README, re.M):
        reasons, grpc, statuses, again = (cell.strip() for cell in row.strip("|").split("|"))
        names = re.findall(r"`([A-Z_]+)`", reasons)
        for name, http in zip(names, statuses.split(", ") * len(names), strict=False):
            told[name] = (grpc, int(http), again != "no")
    faces = {reason: _face(f"ERROR_REASON_{reason}") for reason in ErrorReason}
    assert told == {
        str(reason): (code_pb2.Code.Name(getattr(face, "grpc")), getattr(face, "http"), getattr(face, "retryable"))  # noqa: B009
        for reason, face in faces.items()
    }


def test_the_transcript_of_the_readme_is_of_this_contract() -> None:
    chat = importlib.import_module("thinkaloud.v1.chat_service_pb2")
    lines = re.findall(r'^(\{"event".*\})$', README, re.M)
    events = [json_format.Parse(line, chat.ChatResponse()).event for line in lines]
    kinds = {event.WhichOneof("event") for event in events}
    assert kinds == {"start", "progress", "reasoning", "token", "complete", "error"}
