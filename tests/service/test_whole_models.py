"""IS08: a key reaches the models that it may ask and no others, by every way to a model and on every face."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format

from fakes.keyed import AS, key, keyed_server
from fakes.rpc import collect, refused
from fakes.sockets import CHAT, client_of
from fakes.stubs import stubs
from fakes.whole import Whole
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import model_service_pb2 as models_pb

CALLERS = {
    "some": key("some", models=("demo/plain", "demo/empty")),
    "none": key("none", models=("elsewhere/*",)),
}
# What may not be asked, whether there is such a model or not.
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "a model": ("some", {"model": "demo/reasoner"}),
    "no model": ("some", {"model": "demo/no-such-model"}),
    "no provider": ("some", {"model": "nobody/x"}),
    "a fallback": ("some", {"model": "demo/plain", "fallback_models": ["demo/plain", "demo/reasoner"]}),
    "the current one": ("none", {}),
}


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    async with keyed_server(tmp_path, CALLERS) as found:
        yield found


async def over_grpc(whole: Whole, caller: str, request: dict[str, Any]) -> str:
    async with stubs(whole.address) as stub:
        _, error = await collect(
            stub.chat.Chat(json_format.ParseDict(request, pb.ChatRequest()), metadata=((AS, caller),))
        )
    assert error is not None
    return refused(error).reason


async def over_rest(whole: Whole, caller: str, request: dict[str, Any]) -> str:
    return await posted(whole, caller, "chat/message", request)


async def over_sse(whole: Whole, caller: str, request: dict[str, Any]) -> str:
    return await posted(whole, caller, "chat/stream-sse", request)


async def in_a_batch(whole: Whole, caller: str, request: dict[str, Any]) -> str:
    async with httpx.AsyncClient(base_url=f"http://{whole.http}", headers={AS: caller}) as client:
        good = {"text": "hi", "model": "demo/plain"}
        answer = await client.post("/api/v1/chat/batch", json={"requests": [good, request]})
    results = answer.json()["results"]
    assert ("complete" in results[0]) == (caller == "some")
    return str(results[1]["error"]["code"])


async def over_ws(whole: Whole, caller: str, request: dict[str, Any]) -> str:
    async with client_of(f"ws://{whole.http}{CHAT}", additional_headers={AS: caller}) as client:
        return str((await client.turn(**request))[-1]["data"]["code"])


async def posted(whole: Whole, caller: str, path: str, body: dict[str, Any]) -> str:
    async with httpx.AsyncClient(base_url=f"http://{whole.http}", headers={AS: caller}) as client:
        answer = await client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == 403, answer.text
    return str(answer.json()["error"]["code"])


@pytest.mark.parametrize("ask", [over_grpc, over_rest, over_sse, over_ws, in_a_batch])
@pytest.mark.parametrize("case", ASKED)
async def test_a_model_that_the_key_may_not_ask_is_reached_by_no_way(whole: Whole, ask: Any, case: str) -> None:
    caller, fields = ASKED[case]
    assert await ask(whole, caller, {"text": "hi", **fields}) == "MODEL_NOT_ALLOWED"
    assert whole.engine.status().runs_total == (1 if ask is in_a_batch and caller == "some" else 0)


@pytest.mark.parametrize("path", ["models/switch", "models/load"])
async def test_a_key_does_not_switch_to_a_model_that_it_may_not_ask(whole: Whole, path: str) -> None:
    assert await posted(whole, "some", path, {"model_id": "demo/reasoner"}) == "MODEL_NOT_ALLOWED"


async def test_a_key_is_shown_its_models_and_answered_by_one_of_them(whole: Whole) -> None:
    async with stubs(whole.address) as stub:
        mine: Any = ((AS, "some"),)
        listed = await stub.models.ListModels(models_pb.ListModelsRequest(), metadata=mine)
        assert [(model.id, model.current) for model in listed.models] == [("demo/empty", False), ("demo/plain", True)]
        current = await stub.models.GetCurrentModel(models_pb.GetCurrentModelRequest(), metadata=mine)
        assert current.model.id == "demo/plain"
        request = pb.SendMessageRequest(request=pb.ChatRequest(text="hi"))
        assert (await stub.chat.SendMessage(request, metadata=mine)).complete.model == "demo/plain"
        everything = await stub.models.ListModels(models_pb.ListModelsRequest())
        assert "demo/reasoner" in {model.id for model in everything.models}


async def test_a_key_for_which_no_model_is_left_is_told_so_and_may_still_look(whole: Whole) -> None:
    async with httpx.AsyncClient(base_url=f"http://{whole.http}", headers={AS: "none"}) as client:
        told = await client.get("/api/v1/models/current")
        assert (told.status_code, told.json()["error"]["code"]) == (403, "MODEL_NOT_ALLOWED")
        assert "may not use any model of this server" in json.dumps(told.json())
        assert (await client.get("/api/v1/models")).json()["models"] == []
        assert (await client.get("/api/v1/capabilities")).json()["current_model"] == ""
