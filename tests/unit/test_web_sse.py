"""Which call answers a stream's request. Over real sockets: tests/service/test_web_sse.py."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from fakes.toy import toy_message
from thinkaloud.v1 import chat_service_pb2, run_service_pb2
from thinkaloud_server.web import sse
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.frame import EventStream, Lines
from thinkaloud_server.web.route import routes_of, services_of_contract
from thinkaloud_server.web.settings import WebSettings

OURS = routes_of(services_of_contract())
PATH = "/api/v1/chat/stream-sse"


def asked(**headers: str) -> Asked:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked("POST", PATH, "", Headers(named), "r", "")


def test_what_is_accepted_decides_how_events_are_written() -> None:
    query = [("text", "a"), ("heartbeat", "event")]
    assert isinstance(sse.frames_of(asked(), query, WebSettings()), EventStream)
    assert query == [("text", "a")]
    assert isinstance(sse.frames_of(asked(accept="application/x-ndjson"), [], WebSettings()), Lines)
    with pytest.raises(HttpError) as refused:
        sse.frames_of(asked(accept="application/json"), [], WebSettings())
    assert refused.value.code == "NOT_ACCEPTABLE"


def test_without_an_event_id_the_routes_own_method_answers() -> None:
    route, _ = OURS.find("POST", PATH)
    message = chat_service_pb2.ChatRequest(text="a")
    assert sse.begun_or_resumed(asked(), route, message, "", OURS) == (route.method, message)


def test_with_one_its_sibling_goes_on_with_what_both_know() -> None:
    route, _ = OURS.find("POST", PATH)
    first = chat_service_pb2.ChatRequest(text="a", include_reasoning=True, reasoning_only_fallback=False)
    method, message = sse.begun_or_resumed(asked(last_event_id="run_1:4"), route, first, "", OURS)
    assert method.name == "WatchRun"
    assert message == run_service_pb2.WatchRunRequest(
        run_id="run_1", after_sequence=4, include_reasoning=True, reasoning_only_fallback=False
    )


def test_what_shares_a_name_and_no_type_is_not_taken_along() -> None:
    first = toy_message("Everything")
    first.text, first.nested.word, first.words[:] = "a", "b", ["c"]
    target = sse.resumed(run_service_pb2.WatchRunRequest(), first, "run_1", 2)
    assert target == run_service_pb2.WatchRunRequest(run_id="run_1", after_sequence=2)


def test_an_id_of_another_run_is_refused() -> None:
    first = run_service_pb2.WatchRunRequest(run_id="run_1", after_sequence=9)
    assert sse.resumed(run_service_pb2.WatchRunRequest(), first, "run_1", 4).after_sequence == 4  # type: ignore[attr-defined]
    with pytest.raises(HttpError) as refused:
        sse.resumed(run_service_pb2.WatchRunRequest(), first, "run_2", 4)
    assert refused.value.code == "SEQUENCE_INVALID"


def test_get_needs_a_key_where_the_message_has_one_and_nothing_is_resumed() -> None:
    route, _ = OURS.find("GET", PATH)
    message = chat_service_pb2.ChatRequest(text="a")
    with pytest.raises(HttpError, match="idempotency_key"):
        sse.begun_or_resumed(asked(), route, message, "", OURS)
    assert sse.begun_or_resumed(asked(), route, message, "k", OURS)[0].name == "Chat"
    assert sse.begun_or_resumed(asked(last_event_id="run_1:4"), route, message, "", OURS)[0].name == "WatchRun"
    watch, values = OURS.find("GET", "/api/v1/runs/run_1/events")
    assert (
        sse.begun_or_resumed(asked(), watch, run_service_pb2.WatchRunRequest(run_id=values["run_id"]), "", OURS)[0].name
        == "WatchRun"
    )
