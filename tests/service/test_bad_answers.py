"""Answers that are wrong in every dialect's own way: each gets a clear code, nothing secret is told, and life goes on.

test_whole_bad_provider.py has what is wrong with a provider whatever it speaks; this is what its dialect has to read.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from fakes.failing import failed_chat, failed_message
from fakes.formats import FORMATS, TEXT, Format, section
from fakes.provider import FakeProvider, Reply
from fakes.rpc import collect
from fakes.secretive import KEY, House, chat, check_logs, check_no_secret, housed
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_load import ConfigError, load
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.rows import GENERICS
from thinkaloud_server.providers.table import DIALECTS

PROTOCOL, TRUNCATED = "UPSTREAM_PROTOCOL_ERROR", "UPSTREAM_TRUNCATED"
PAGE = b"\n <!doctype html><html><head><title>Sign in</title></head><body>canary</body></html>"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
TEN_MB = 10 * 1024 * 1024

each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@dataclass(frozen=True)
class Bad:
    """What the provider answers with status 200, and what becomes of it. "" of content type is the dialect's own."""

    body: Callable[[Format], bytes]
    reasons: tuple[str, ...] = (PROTOCOL,)
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    partial: bool = False
    words: str = ""

    def reply(self, dialect: str) -> Reply:
        body = self.body(FORMATS[dialect])
        pieces = tuple(body[at : at + 65_536] for at in range(0, len(body), 65_536))
        return Reply(pieces, 200, self.content_type or FORMATS[dialect].content_type, self.headers)


def begun(more: bytes) -> Callable[[Format], bytes]:
    """The beginning of an answer, and then that."""
    return lambda it: it.begin(b"") + it.said(TEXT.encode()) + more


BAD = {
    "page": Bad(lambda it: PAGE, content_type="text/html; charset=utf-8"),
    "page-as-a-stream": Bad(lambda it: PAGE),
    "empty": Bad(lambda it: b"", (TRUNCATED,)),
    "white-space": Bad(lambda it: b" \r\n\r\n", (TRUNCATED,)),
    # To a format whose frames are JSON, it is a frame that says nothing.
    "json-of-another-api": Bad(lambda it: b'{"answer": 42}', (PROTOCOL, TRUNCATED), "application/json"),
    "picture": Bad(lambda it: PNG, (PROTOCOL, TRUNCATED), "image/png"),
    "plain-text": Bad(lambda it: b"Service warming up, come back later", (PROTOCOL, TRUNCATED), "text/plain"),
    "gzip": Bad(lambda it: gzip.compress(it.answer()), headers=(("content-encoding", "gzip"),), words="compressed"),
    "gzip-untold": Bad(lambda it: gzip.compress(it.answer()), (PROTOCOL, TRUNCATED)),
    "ten-megabytes-without-a-newline": Bad(lambda it: b"x" * TEN_MB, (PROTOCOL, TRUNCATED)),
    "ten-megabytes-later": Bad(begun(b"x" * TEN_MB), (PROTOCOL, TRUNCATED), partial=True),
    "garbage-later": Bad(begun(b"data: {this is not JSON}\n\n"), (PROTOCOL, TRUNCATED), partial=True),
    "a-page-later": Bad(begun(b"data: " + PAGE.strip() + b"\n\n"), (PROTOCOL, TRUNCATED), partial=True),
    "ends-in-the-middle": Bad(lambda it: it.answer()[: -len(it.end(False))], (TRUNCATED,), partial=True),
}


@pytest.fixture
async def house(dialect: str, tmp_path: Path) -> AsyncIterator[House]:
    async with housed(tmp_path, dialect) as found:
        yield found


@each_dialect
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_bad_answer_gets_a_clear_code(house: House, bad: Bad, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    house.provider.answer(bad.reply(house.dialect))
    failed, status = await asyncio.gather(failed_chat(house.caller, chat()), failed_message(house.caller, chat()))
    assert failed.status.reason in bad.reasons
    assert failed.error.partial == bad.partial
    assert bad.words in failed.error.message
    assert (status.code, status.reason, status.message) == (
        failed.status.code,
        failed.status.reason,
        failed.status.message,
    )
    assert "".join(event.token.token for event in failed.events) == (TEXT if bad.partial else "")
    assert len(house.provider.requests) == 2, "a wrong answer is not asked for twice"
    await house.check(failed)
    check_logs(caplog.records)


@each_dialect
@pytest.mark.parametrize(
    "content_type", ["", "application/octet-stream", "text/plain; charset=utf-8", "TEXT/EVENT-STREAM;foo"]
)
async def test_a_good_stream_under_a_wrong_content_type_is_read(house: House, content_type: str) -> None:
    house.provider.answer(Reply((FORMATS[house.dialect].answer(),), content_type=content_type))
    answer = await house.caller.chat.SendMessage(pb.SendMessageRequest(request=chat()))
    assert answer.complete.response == TEXT


@each_dialect
async def test_bytes_that_are_no_utf_8_are_replaced_and_the_rest_is_kept(house: House) -> None:
    it = FORMATS[house.dialect]
    body = it.begin(b"") + it.said(b"a\xff\xc3b") + it.said("é🤔".encode()) + it.end(False)
    for pieces in ((body,), tuple(body[at : at + 1] for at in range(len(body)))):
        house.provider.answer(Reply(pieces, content_type=it.content_type))
        answer = await house.caller.chat.SendMessage(pb.SendMessageRequest(request=chat()))
        assert answer.complete.response == "a\ufffd\ufffdbé🤔"
    await house.check_next()


@each_dialect
async def test_a_key_given_twice_and_numbers_that_are_none_do_no_harm(house: House) -> None:
    more = b'"strange":1,"strange":{"strange":[NaN,-Infinity,1e999]},'
    house.provider.answer(house.reply(FORMATS[house.dialect].answer(more=more)))
    answer = await house.caller.chat.SendMessage(pb.SendMessageRequest(request=chat()))
    assert answer.complete.response == TEXT
    assert (answer.complete.usage.input_tokens, answer.complete.finish_reason) in ((1, "stop"), (0, "stop"))


@each_dialect
@pytest.mark.parametrize("arguments", ['{"city": "Par', "not JSON", '"text"', "[1,", "null", "{}}", '{"a":NaN}'])
async def test_arguments_that_are_no_object_are_given_to_the_caller_as_they_are(house: House, arguments: str) -> None:
    it = FORMATS[house.dialect]
    if it.objects and not is_json(arguments):
        pytest.skip("this format has arguments as a value: such a frame is garbage")
    house.provider.answer(house.reply(it.answer("", arguments=arguments)))
    call = house.caller.chat.Chat(chat(tools=[{"name": "f", "parameters": '{"type":"object"}'}]))
    responses, error = await collect(call)
    assert error is None
    complete = responses[-1].event.complete
    assert (complete.finish_reason, [each.name for each in complete.tool_calls]) == ("tool_calls", ["f"])
    told = complete.tool_calls[0].arguments
    if it.objects:
        # A value is told as JSON; but null is no arguments, and a text may be the arguments' own JSON.
        assert told == "{}" if arguments == "null" else is_json(told) or json.dumps(told) == arguments
    else:
        assert told == arguments
    await house.check_next()


@each_dialect
@pytest.mark.parametrize("arguments", ['{"city": "Par', "not JSON", '"text"', "null", ""])
def test_arguments_that_are_no_object_can_be_sent_back_or_are_refused(dialect: str, arguments: str) -> None:
    messages = (
        Message("user", (TextPart("go"),)),
        Message("assistant", (ToolCall("c1", "f", arguments),)),
        Message("tool", (ToolResult("c1", "no such city", is_error=True),)),
    )
    request, reason = asked_for(dialect, ModelRequest("m", messages))
    assert reason in (None, ErrorReason.VALIDATION_FAILED)
    assert request is None or isinstance(json.loads(request.body), dict)
    assert KEY not in repr(request)


def asked_for(dialect: str, request: ModelRequest) -> tuple[HttpRequest | None, ErrorReason | None]:
    """The request in this dialect, or why there is none."""
    endpoint = Endpoint("it", "http://provider.example/v1", GENERICS[dialect], api_key=KEY)
    try:
        return DIALECTS[dialect].request(endpoint, request), None
    except ChatError as error:
        return None, error.reason


@each_dialect
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_with_a_key_or_without(
    house: House, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeProvider(house.reply(FORMATS[house.dialect].answer())) as elsewhere:
        for place in (f"{elsewhere.base_url}/elsewhere", "/v1/elsewhere"):
            house.provider.answer(Reply((), status, "", (("location", place),), "length"))
            failed = await failed_chat(house.caller, chat())
            assert failed.status.reason == PROTOCOL
            assert "redirect" in failed.error.message
            check_no_secret(failed.text, elsewhere)
        assert elsewhere.requests == []
        assert elsewhere.connections == []
    assert len(house.provider.requests) == 2
    await house.check(failed)
    check_logs(caplog.records)


@each_dialect
async def test_the_key_goes_to_the_provider_and_nowhere_else(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The canary is no dead bird: it is sent; and then it is in no event, record or repr, even when it is echoed."""
    caplog.set_level(logging.DEBUG)
    house.provider.answer(house.reply(f"<html><title>{KEY}</title></html>".encode()))
    failed = await failed_chat(house.caller, chat())
    request = house.provider.requests[0]
    assert [name for name, value in request.headers.items() if KEY in value]
    assert KEY not in request.path, "proxies log paths"
    await house.check(failed)
    text = json.dumps({"error": {"code": 400, "message": f"bad {KEY}", "status": "X"}, "message": f"bad {KEY}"})
    house.provider.answer(Reply((text.encode(),), 400, "application/json", framing="length"))
    failed = await failed_chat(house.caller, chat())
    assert "***" in failed.error.message
    await house.check(failed)
    check_logs(caplog.records)


SECRET_URLS = [
    f"https://user:{KEY}@provider.example/v1",
    f"https://{KEY}@provider.example/v1",
    f"https://:{KEY}@provider.example/v1",
]


@each_dialect
@pytest.mark.parametrize("url", SECRET_URLS, ids=["user-and-password", "user", "password"])
def test_a_base_url_with_credentials_is_refused_and_not_echoed(dialect: str, url: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"providers": {"local": section(dialect, url, "k")}})
    assert "credentials" in str(caught.value)
    assert KEY not in f"{caught.value} {caught.value!r}"

    file = tmp_path / "thinkaloud.toml"
    file.write_text(f'discover = false\n[providers.local]\nbase_url = "{url}"\ndialect = "{dialect}"\n')
    with pytest.raises(ConfigError) as refused:
        load(file, {}, {})
    assert "providers.local.base_url" in str(refused.value)
    assert KEY not in f"{refused.value} {refused.value!r}"


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
