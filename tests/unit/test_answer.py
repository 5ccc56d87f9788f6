"""What decoding has in common: the form of an answer, its errors, and how it may end; with the smallest dialect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cuts import decode, same_for_every_cut
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    StateDelta,
    TextDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.framing import LineFramer
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.answer import AnswerDecoder
from thinkaloud_server.providers.error_body import ErrorBody, read_error


class Words(AnswerDecoder[bytes]):
    """A line is a word of the answer: `stop`, `end`, `error …`, `usage N`, or text."""

    def __init__(self, *, state: str = "", sniffs_json: bool = True, refused: bool = False) -> None:
        failure = Failure(
            ErrorReason.VALIDATION_FAILED if refused else ErrorReason.UPSTREAM_RATE_LIMITED,
            "as the body says",
            reasoning_refused=refused,
            unprocessed=True,
        )

        def classify(body: ErrorBody) -> Failure:
            assert body.message
            return failure

        framer = LineFramer(line_bytes_max=32)
        super().__init__(framer, classify=classify, sniffs_json=sniffs_json, answer_bytes_max=64)
        self._kept = state

    def _frame(self, frame: bytes, out: list[Delta], *, whole: bool) -> None:
        word, _, rest = frame.partition(b" ")
        if word == b"stop":
            self._finish(out, Finish("stop", rest.decode()))
        elif word == b"end":
            self._end(out, trusted=rest == b"trusted")
        elif word == b"error":
            self._error(read_error(rest), out)
        elif word == b"usage":
            self._report(out, Usage(int(rest)))
        elif whole:
            self._said = True
            out.append(TextDelta(frame.decode()))

    def _value(self, data: bytes, out: list[Delta]) -> None:
        out.append(TextDelta(data.decode()))
        self._end(out, trusted=True)

    def _state(self) -> str:
        return self._kept


def said(body: bytes, new: Callable[[], Words] = Words) -> list[Delta]:
    return same_for_every_cut(new, body, random_cuts=10)


def test_an_answer_ends_well_when_a_reason_was_given_and_keeps_its_state_for_last() -> None:
    assert said(b"a\nstop why\nend\nmore\n", lambda: Words(state="{}")) == [
        TextDelta("a"),
        Finish("stop", "why"),
        StateDelta("{}"),
        EndOfStream(),
    ]


def test_bytes_that_run_out_end_well_after_the_reason_alone() -> None:
    assert said(b"a\nstop\n") == [TextDelta("a"), Finish("stop"), EndOfStream()]
    truncated = said(b"a\n")[-1]
    assert isinstance(truncated, Failure)
    assert truncated.reason is ErrorReason.UPSTREAM_TRUNCATED


def test_an_end_mark_alone_must_be_trusted() -> None:
    assert said(b"a\nend trusted\n") == [TextDelta("a"), EndOfStream()]
    assert isinstance(said(b"a\nend\n")[-1], Failure)


def test_a_frame_that_was_cut_is_not_told() -> None:
    deltas = said(b"a\nstop\nhalf a wor")
    assert deltas == [TextDelta("a"), Finish("stop"), EndOfStream()]


def test_the_first_reason_counts_and_usage_is_told_when_it_changes() -> None:
    assert said(b"stop one\nusage 1\nusage 1\nusage 2\nstop two\n") == [
        Finish("stop", "one"),
        UsageReport(Usage(1)),
        UsageReport(Usage(2)),
        EndOfStream(),
    ]


def test_an_error_before_anything_was_said_is_what_its_body_says() -> None:
    failure = said(b"error refused\n", lambda: Words(refused=True))[-1]
    assert failure == Failure(
        ErrorReason.VALIDATION_FAILED, "as the body says", reasoning_refused=True, unprocessed=True
    )


def test_an_error_after_something_was_said_is_the_providers_and_repeats_nothing() -> None:
    failure = said(b"a\nerror refused\nmore\n", lambda: Words(refused=True))[-1]
    assert failure == Failure(ErrorReason.UPSTREAM_ERROR, "as the body says")
    failure = said(b"a\nerror busy\n")[-1]
    assert failure == Failure(ErrorReason.UPSTREAM_RATE_LIMITED, "as the body says")


@pytest.mark.parametrize("body", [b'{"a": 1}', b'[{"a": 1}]', b' \r\n\xef\xbb\xbf{"a": 1}'])
def test_one_json_value_in_place_of_a_stream_is_told_whole(body: bytes) -> None:
    assert said(body) == [TextDelta(body.lstrip(b" \r\n\xef\xbb\xbf").decode()), EndOfStream()]


def test_frames_that_begin_with_a_brace_are_frames_where_the_dialect_says_so() -> None:
    assert said(b'{"a"}\nstop\n', lambda: Words(sniffs_json=False)) == [
        TextDelta('{"a"}'),
        Finish("stop"),
        EndOfStream(),
    ]


def test_a_page_is_no_answer() -> None:
    failure = said(b"\n <html>login</html>")[-1]
    assert isinstance(failure, Failure)
    assert failure.reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


def test_a_value_and_a_frame_have_their_limits() -> None:
    for body in (b"{" + b" " * 64, b"x" * 33):
        failure = decode(Words(), [body])[-1]
        assert isinstance(failure, Failure)
        assert failure.reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


def test_an_empty_answer_is_a_truncated_one() -> None:
    for body in (b"", b" \r\n"):
        failure = decode(Words(), [body])[-1]
        assert isinstance(failure, Failure)
        assert failure.reason is ErrorReason.UPSTREAM_TRUNCATED


def test_nothing_is_said_after_the_end() -> None:
    decoder = Words()
    assert len(decoder.feed(b"stop\nend\n")) == 2
    assert decoder.feed(b"more\n") == []
    assert decoder.end() == []
