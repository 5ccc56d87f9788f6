"""Runs, conversations, models and the server's account of itself, over a real socket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
import pytest

from fakes.engine import FakeEngine, Hold, complete, thinking
from fakes.rpc import collect, refused, serving
from thinkaloud.v1 import conversation_service_pb2 as conversation_pb
from thinkaloud.v1 import model_service_pb2 as model_pb
from thinkaloud.v1 import run_service_pb2 as run_pb
from thinkaloud.v1 import system_service_pb2 as system_pb
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Error
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.run import Page, StoredMessage, TokenTotals
from thinkaloud_server.core.usage import Spent, Usage
from thinkaloud_server.engine.quota import DayBudget
from thinkaloud_server.rpc.limits import Limits

pytestmark = pytest.mark.usefixtures("channel_kind")

NOBODY = "run_" + "9" * 32
NOWHERE = "conv_" + "9" * 32


async def refusal(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refused(caught.value)


# Runs.


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_a_watch_brings_everything_after_the_number_and_nothing_before(after: int) -> None:
    async with serving() as served:
        run = served.engine.add(thinking())
        request = run_pb.WatchRunRequest(run_id=run.run_id, after_sequence=after, include_reasoning=True)
        got, error = await collect(served.runs.WatchRun(request))
        assert [each.event.sequence for each in got] == [1, 2, 3, 4][after:]
        assert error is None


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"run_id": NOBODY}, grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
        ({"run_id": "run_1"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ID"),
        ({"run_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ID"),
        ({"run_id": NOWHERE}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ID"),
        ({"after_sequence": -1}, grpc.StatusCode.INVALID_ARGUMENT, "SEQUENCE_INVALID"),
        ({"after_sequence": 99}, grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_AHEAD"),
    ],
    ids=["unknown", "short", "empty", "other-type", "negative", "ahead"],
)
async def test_a_watch_that_cannot_be_is_refused(fields: dict[str, Any], code: grpc.StatusCode, reason: str) -> None:
    async with serving() as served:
        fields = {"run_id": served.engine.add(thinking()).run_id, **fields}
        _, error = await collect(served.runs.WatchRun(run_pb.WatchRunRequest(**fields)))
        assert error is not None
        assert (refused(error).code, refused(error).reason) == (code, reason)


async def test_a_watch_of_a_failed_run_ends_like_the_run() -> None:
    async with serving() as served:
        run = served.engine.add([Error("RUN_INTERRUPTED", "the server died", "r", True)])
        got, error = await collect(served.runs.WatchRun(run_pb.WatchRunRequest(run_id=run.run_id)))
        assert got[-1].event.error.code == "RUN_INTERRUPTED"
        assert error is not None
        assert refused(error).reason == "RUN_INTERRUPTED"


async def test_a_silent_watch_has_life_signs() -> None:
    async with serving(limits=Limits(heartbeat_s=0.05)) as served:
        run = served.engine.add([Hold(), complete()])
        call = served.runs.WatchRun(run_pb.WatchRunRequest(run_id=run.run_id, after_sequence=1))
        for _ in range(3):
            event = (await call.read()).event
            assert (event.sequence, event.heartbeat.last_sequence) == (0, 1)
        call.cancel()


async def test_a_run_is_looked_at_with_its_result_or_its_failure() -> None:
    async with serving() as served:
        add = served.engine.add
        runs = [add(thinking()), add([Error("INTERNAL", "no", "r", False)]), add([Hold()])]
        got = [(await served.runs.GetRun(run_pb.GetRunRequest(run_id=run.run_id))).run for run in runs]
        assert [each.state for each in got] == ["completed", "failed", "running"]
        assert got[0].complete.response == "391"
        assert got[1].error.code == "INTERNAL"
        assert not got[2].HasField("ended_at")
        assert (await refusal(served.runs.GetRun(run_pb.GetRunRequest(run_id=NOBODY)))).reason == "NOT_FOUND"


async def test_a_stop_answers_with_the_ended_run() -> None:
    async with serving() as served:
        run = served.engine.add([Hold()])
        got = (await served.runs.StopRun(run_pb.StopRunRequest(run_id=run.run_id))).run
        assert got.complete.finish_reason == "stopped"
        assert (await refusal(served.runs.StopRun(run_pb.StopRunRequest(run_id="x")))).reason == "INVALID_ID"


async def test_runs_are_listed_without_results_page_by_page() -> None:
    async with serving() as served:
        for _ in range(3):
            served.engine.add(thinking())
        page = await served.runs.ListRuns(run_pb.ListRunsRequest(page_size=2, state="running"))
        assert len(page.runs) == 2
        assert page.next_page_token.startswith("next.")
        assert not any(run.HasField("complete") for run in page.runs)
        assert len((await served.runs.ListRuns(run_pb.ListRunsRequest())).runs) == 3


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"page_size": -1}, "VALIDATION_FAILED", "page_size"),
        ({"page_size": 201}, "VALIDATION_FAILED", "page_size"),
        ({"state": "done"}, "VALIDATION_FAILED", "state"),
        ({"conversation_id": NOBODY}, "INVALID_ID", "conversation_id"),
        ({"page_token": "\n"}, "INVALID_PAGE_TOKEN", "page_token"),
        ({"page_token": "x" * 1025}, "INVALID_PAGE_TOKEN", "page_token"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(fields: dict[str, Any], reason: str, field: str) -> None:
    async with serving() as served:
        found = await refusal(served.runs.ListRuns(run_pb.ListRunsRequest(**fields)))
        assert (found.reason, list(found.fields)) == (reason, [field])


async def test_a_page_token_of_another_list_is_refused() -> None:
    async with serving() as served:
        found = await refusal(served.runs.ListRuns(run_pb.ListRunsRequest(page_token="forged")))
        assert found.reason == "INVALID_PAGE_TOKEN"


# Conversations.


async def test_a_conversation_is_made_found_changed_listed_and_deleted() -> None:
    async with serving() as served:
        calls = served.conversations
        made = (
            await calls.CreateConversation(conversation_pb.CreateConversationRequest(title="Sums", metadata={"a": "1"}))
        ).conversation
        which = {"conversation_id": made.conversation_id}
        found = (await calls.GetConversation(conversation_pb.GetConversationRequest(**which))).conversation
        assert found == made
        assert (found.title, dict(found.metadata), found.message_count) == ("Sums", {"a": "1"}, 0)
        changed = (
            await calls.UpdateConversation(conversation_pb.UpdateConversationRequest(**which, title=""))
        ).conversation
        assert (changed.title, dict(changed.metadata)) == ("", {"a": "1"})
        replaced = (
            await calls.UpdateConversation(conversation_pb.UpdateConversationRequest(**which, metadata={"b": "2"}))
        ).conversation
        assert (replaced.title, dict(replaced.metadata)) == ("", {"b": "2"})
        listed = await calls.ListConversations(conversation_pb.ListConversationsRequest())
        assert [each.conversation_id for each in listed.conversations] == [made.conversation_id]
        assert not (await calls.GetHistory(conversation_pb.GetHistoryRequest(**which))).messages
        await calls.DeleteConversation(conversation_pb.DeleteConversationRequest(**which))
        gone = await refusal(calls.GetConversation(conversation_pb.GetConversationRequest(**which)))
        assert gone.reason == "NOT_FOUND"


@pytest.mark.parametrize("method", ["GetConversation", "UpdateConversation", "DeleteConversation", "GetHistory"])
async def test_a_conversation_that_is_not_there_is_not_found(method: str) -> None:
    request = getattr(conversation_pb, f"{method}Request")
    async with serving() as served:
        call = getattr(served.conversations, method)
        assert (await refusal(call(request(conversation_id=NOWHERE)))).reason == "NOT_FOUND"
        assert (await refusal(call(request(conversation_id="conv_1")))).reason == "INVALID_ID"


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("CreateConversation", {"title": "x" * 201}, "title"),
        ("CreateConversation", {"title": "\0"}, "title"),
        ("CreateConversation", {"metadata": {"": "x"}}, "metadata"),
        ("UpdateConversation", {"conversation_id": NOWHERE, "title": "x" * 201}, "title"),
        ("UpdateConversation", {"conversation_id": NOWHERE, "metadata": {"k": "x" * 513}}, "metadata[k]"),
        ("ListConversations", {"page_size": 201}, "page_size"),
        ("GetHistory", {"conversation_id": NOWHERE, "page_size": 1001}, "page_size"),
        ("GetHistory", {"conversation_id": NOWHERE, "page_size": -1}, "page_size"),
    ],
)
async def test_a_field_of_a_conversation_is_judged(method: str, fields: dict[str, Any], field: str) -> None:
    async with serving() as served:
        request = getattr(conversation_pb, f"{method}Request")(**fields)
        found = await refusal(getattr(served.conversations, method)(request))
        assert (found.reason, list(found.fields)) == ("VALIDATION_FAILED", [field])


async def test_a_page_that_is_too_large_for_a_message_is_shorter_and_nothing_is_lost() -> None:
    async with serving(limits=Limits(response_bytes=5_000)) as served:
        for number in range(40):
            made = conversation_pb.CreateConversationRequest(title=str(number), metadata={"k": "v" * 500})
            await served.conversations.CreateConversation(made)
        titles: list[str] = []
        token = ""
        while token or not titles:
            request = conversation_pb.ListConversationsRequest(page_size=40, page_token=token)
            page = await served.conversations.ListConversations(request)
            assert page.ByteSize() <= 5_000
            titles += [each.title for each in page.conversations]
            token = page.next_page_token
        assert sorted(titles, key=int) == [str(number) for number in range(40)]


async def test_one_message_that_is_too_large_alone_is_refused() -> None:
    engine = FakeEngine()
    stored = StoredMessage("msg_1", NOWHERE, "", Message("user", (TextPart("x" * 9000),)), NOBODY, 1.0)

    async def history(*args: Any, **kwargs: Any) -> Page[StoredMessage]:
        return Page((stored,), "")

    engine.store.history = history  # type: ignore[method-assign]
    async with serving(engine, limits=Limits(response_bytes=5_000)) as served:
        made = await served.conversations.CreateConversation(conversation_pb.CreateConversationRequest())
        request = conversation_pb.GetHistoryRequest(conversation_id=made.conversation.conversation_id)
        assert (await refusal(served.conversations.GetHistory(request))).reason == "MESSAGE_TOO_LARGE"


# Models.


async def test_models_are_listed_with_the_current_one_marked_and_notes() -> None:
    async with serving() as served:
        found = await served.models.ListModels(model_pb.ListModelsRequest())
        assert [(each.id, each.current) for each in found.models] == [("fake/m", True), ("fake/n", False)]
        assert list(found.notes) == ["slow: no answer within 5 s"]
        thinking = await served.models.ListModels(model_pb.ListModelsRequest(reasoning="optional"))
        assert [each.id for each in thinking.models] == ["fake/m"]
        large = await served.models.ListModels(model_pb.ListModelsRequest(min_context=1000, provider="fake"))
        assert [each.id for each in large.models] == ["fake/m"]


async def test_a_switch_is_told_in_the_words_of_old_clients() -> None:
    async with serving() as served:
        found = await served.models.SwitchModel(model_pb.SwitchModelRequest(model_id="fake/n"))
        assert (found.ok, found.status, found.model_id, found.current_model) == (True, "success", "fake/n", "fake/n")
        current = (await served.models.GetCurrentModel(model_pb.GetCurrentModelRequest())).model
        assert (current.id, current.current) == ("fake/n", True)


async def test_a_current_model_that_is_not_listed_is_told_by_name() -> None:
    async with serving() as served:
        served.engine.models.chosen = "other/x/y"
        current = (await served.models.GetCurrentModel(model_pb.GetCurrentModelRequest())).model
        assert (current.id, current.provider, current.name) == ("other/x/y", "other", "x/y")


async def test_a_filter_by_reasoning_names_its_words() -> None:
    async with serving() as served:
        found = await refusal(served.models.ListModels(model_pb.ListModelsRequest(reasoning="some")))
        assert '"none", "optional", "mandatory", "any"' in found.fields["reasoning"]


async def test_an_unknown_model_offers_near_names() -> None:
    async with serving() as served:
        found = await refusal(served.models.SwitchModel(model_pb.SwitchModelRequest(model_id="fake/mm")))
        assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
        assert found.metadata == {"near": '["fake/m"]'}


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("SwitchModel", {}, "model_id"),
        ("SwitchModel", {"model_id": "x" * 257}, "model_id"),
        ("ListModels", {"search": "x" * 257}, "search"),
        ("ListModels", {"provider": "x" * 257}, "provider"),
        ("ListModels", {"min_context": -1}, "min_context"),
        ("ListModels", {"reasoning": "some"}, "reasoning"),
        ("ListModels", {"reasoning": "Any"}, "reasoning"),
    ],
)
async def test_a_field_about_models_is_judged(method: str, fields: dict[str, Any], field: str) -> None:
    async with serving() as served:
        request = getattr(model_pb, f"{method}Request")(**fields)
        found = await refusal(getattr(served.models, method)(request))
        assert (found.reason, list(found.fields)) == ("VALIDATION_FAILED", [field])


# The server itself.


@pytest.mark.parametrize(
    ("looks", "status"),
    [
        ({}, "healthy"),
        ({"live_runs": 10}, "at_capacity"),
        ({"draining": True}, "degraded"),
    ],
)
async def test_health_tells_how_the_server_is(looks: dict[str, Any], status: str) -> None:
    engine = FakeEngine()
    engine.looks = replace(engine.looks, **looks)
    async with serving(engine) as served:
        found = await served.system.GetHealth(system_pb.GetHealthRequest())
        assert found.status == status
        assert found.timestamp.seconds > 1_700_000_000
        assert 0 <= found.uptime < 60
        assert found.resource_usage.memory_bytes > 1_000_000
        assert found.resource_usage.cpu_s > 0
        assert found.resource_usage.open_files > 3
        live = looks.get("live_runs", 0)
        capacity = found.agent_capacity
        assert (capacity.max, capacity.active, capacity.available) == (10, live, 10 - live)
        assert capacity.utilization == live / 10
        assert found.performance_metrics.first_token_ms == 12.5
        assert found.components["engine"] == ("draining" if looks.get("draining") else "healthy")


async def test_health_without_a_store_is_unhealthy_and_still_an_answer() -> None:
    engine = FakeEngine()

    async def broken(*args: Any) -> None:
        raise ChatError(ErrorReason.STORAGE_UNAVAILABLE, "the store does not answer")

    engine.store.get_setting = broken  # type: ignore[method-assign, assignment]
    async with serving(engine) as served:
        found = await served.system.GetHealth(system_pb.GetHealthRequest())
        assert found.status == "unhealthy"
        assert found.components["store"] == "the store does not answer"


async def test_health_waits_for_a_silent_store_no_longer_than_a_second() -> None:
    engine = FakeEngine()
    silent = Hold()

    async def wait(*args: Any) -> None:
        await silent.release.wait()

    engine.store.get_setting = wait  # type: ignore[method-assign, assignment]
    async with serving(engine) as served:
        found = await served.system.GetHealth(system_pb.GetHealthRequest(), timeout=5)
        assert found.components["store"] == "no answer within 1 s"


async def test_info_status_and_capabilities_are_told() -> None:
    async with serving() as served:
        info = await served.system.GetInfo(system_pb.GetInfoRequest())
        assert (info.name, info.version, info.api_version, info.store) == ("thinkaloud", "1.2.3", "v1", "memory")
        assert info.current_model == "fake/m"
        status = await served.system.GetStatus(system_pb.GetStatusRequest())
        assert (status.status, status.streaming_active) == ("active", False)
        served.engine.looks = replace(served.engine.looks, draining=True, live_runs=2, watchers=3)
        status = await served.system.GetStatus(system_pb.GetStatusRequest())
        assert (status.status, status.streaming_active, status.watchers) == ("draining", True, 3)
        found = await served.system.GetCapabilities(system_pb.GetCapabilitiesRequest())
        assert found.capabilities["reasoning_supported"]
        assert found.capabilities["file_upload"]
        assert found.limits.upload_bytes == 20 * 1024 * 1024
        assert (found.limits.text_chars, found.limits.request_bytes) == (500_000, 4 * 1024 * 1024)
        assert (found.limits.max_iterations, found.limits.run_s, found.limits.batch_requests) == (100, 1800, 100)
        assert found.limits.output_tokens == 10_000_000


async def test_token_usage_is_summed_over_models() -> None:
    engine = FakeEngine()

    async def totals(tenant: str) -> dict[str, TokenTotals]:
        return {"p/a": TokenTotals(2, Usage(10, 20, 5, 1, 0.25)), "p/b": TokenTotals(1, Usage(1, 2, 0, 0))}

    async def last(tenant: str) -> Usage:
        return Usage(1, 2, 0, 0, 0.5)

    async with serving(engine) as served:
        empty = await served.system.GetTokenUsage(system_pb.GetTokenUsageRequest())
        assert (empty.total.runs, empty.HasField("last"), empty.total.HasField("cost_usd")) == (0, False, False)
        engine.store.token_totals = totals  # type: ignore[method-assign]
        engine.store.last_usage = last  # type: ignore[method-assign]
        found = await served.system.GetTokenUsage(system_pb.GetTokenUsageRequest())
        assert (found.total.runs, found.total.input, found.total.output, found.total.reasoning) == (3, 11, 22, 5)
        assert found.models["p/a"].cached == 1
        assert found.last.output_tokens == 2
        assert (found.total.cost_usd, found.models["p/a"].cost_usd, found.last.cost_usd) == (0.25, 0.25, 0.5)
        assert not found.models["p/b"].HasField("cost_usd")
        assert not found.HasField("budget")


@pytest.mark.parametrize(
    ("tokens", "cost_usd"), [(1000, 0.0), (0, 2.5), (0, 0.0)], ids=["of tokens", "of money", "none"]
)
async def test_a_key_is_told_its_budget_and_what_is_left_of_it(tokens: int, cost_usd: float) -> None:
    engine = FakeEngine()
    engine.day_budget = DayBudget(tokens, cost_usd, Spent(7, 0.25), ends_at=1_790_035_200.0)
    async with serving(engine) as served:
        found = (await served.system.GetTokenUsage(system_pb.GetTokenUsageRequest())).budget
    assert (found.HasField("tokens_per_day"), found.tokens_per_day) == (bool(tokens), tokens)
    assert (found.HasField("cost_usd_per_day"), found.cost_usd_per_day) == (bool(cost_usd), cost_usd)
    assert (found.tokens_today, found.cost_usd_today, found.resets_at.seconds) == (7, 0.25, 1_790_035_200)
