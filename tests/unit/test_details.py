"""Details of listed models: a few at once, not for long, and none is worth losing the listing for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from fakes.line_dialect import LineDialect
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.engine.details import AT_ONCE_MAX, with_details
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.vendors import Vendor

ENDPOINT = Endpoint("it", "http://h/v1", Vendor("any"))


class Detailing(LineDialect):
    """Asks for a detail of each model whose name does not begin with "plain"; the answer is its context length."""

    def detail(self, endpoint: Endpoint, model: ModelInfo) -> HttpRequest | None:
        if model.name.startswith("plain"):
            return None
        return HttpRequest("POST", f"{endpoint.base_url}/show", (), model.name.encode())

    def detailed(self, endpoint: Endpoint, model: ModelInfo, body: bytes) -> ModelInfo:
        return replace(model, context_length=int(body))


class Answers:
    """Answers by the body of the request; counts how many are asked at once."""

    def __init__(self, answers: Mapping[str, bytes | Exception | None]) -> None:
        self.answers = answers
        self.at_once = self.most = 0

    async def __call__(self, request: HttpRequest, within_s: float) -> bytes:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0)
            answer = self.answers[request.body.decode()]
            if answer is None:
                await asyncio.Event().wait()
            if isinstance(answer, Exception):
                raise answer
            assert isinstance(answer, bytes)
            return answer
        finally:
            self.at_once -= 1


async def lengths(answers: Mapping[str, bytes | Exception | None], within_s: float = 5.0) -> dict[str, int]:
    models = [ModelInfo(name, "it") for name in answers]
    found = await with_details(Detailing(), ENDPOINT, models, Answers(answers), within_s=within_s)
    assert [model.name for model in found] == list(answers)
    return {model.name: model.context_length for model in found}


async def test_each_model_gets_its_own() -> None:
    assert await lengths({"a": b"1", "plain": b"9", "b": b"2"}) == {"a": 1, "plain": 0, "b": 2}


async def test_one_that_fails_is_listed_without() -> None:
    refused = ChatError(ErrorReason.UPSTREAM_ERROR, "no")
    assert await lengths({"a": refused, "b": b"x", "c": b"3"}) == {"a": 0, "b": 0, "c": 3}


async def test_those_that_do_not_come_in_time_are_listed_without() -> None:
    assert await lengths({"a": b"1", "slow": None, "b": b"2"}, within_s=0.05) == {"a": 1, "slow": 0, "b": 2}


async def test_only_so_many_are_asked_at_once() -> None:
    read = Answers({f"m{number}": b"7" for number in range(50)})
    models = [ModelInfo(name, "it") for name in read.answers]
    found = await with_details(Detailing(), ENDPOINT, models, read)
    assert {model.context_length for model in found} == {7}
    assert read.most == AT_ONCE_MAX


async def test_a_dialect_without_details_asks_nothing() -> None:
    read = Answers({})
    models = [ModelInfo("a", "it")]
    assert await with_details(LineDialect(), ENDPOINT, models, read) == models
    assert read.most == 0
