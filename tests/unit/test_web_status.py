"""The status of an answer: 200 unless a word of it asks for another."""

from __future__ import annotations

import pytest

from fakes.toy import toy_message
from thinkaloud.v1 import system_service_pb2
from thinkaloud_server.web.status import status_of, words_of


@pytest.mark.parametrize(
    ("status", "http"),
    [("healthy", 200), ("degraded", 200), ("at_capacity", 200), ("unhealthy", 503), ("", 200)],
)
def test_only_an_unhealthy_server_answers_with_503(status: str, http: int) -> None:
    assert status_of(system_service_pb2.GetHealthResponse(status=status)) == http


def test_a_word_deeper_in_an_answer_says_nothing() -> None:
    response = toy_message("EchoResponse")
    response.everything.text = "unwell"
    assert (status_of(response.everything), status_of(response)) == (503, 200)


def test_the_words_are_listed_by_field() -> None:
    assert words_of(system_service_pb2.GetHealthResponse.DESCRIPTOR) == {"status": {"unhealthy": 503}}
    assert words_of(system_service_pb2.GetInfoResponse.DESCRIPTOR) == {}
