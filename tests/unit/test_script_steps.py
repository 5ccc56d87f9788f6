"""Scripts as they are written by hand: JSON lines and TOML."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import (
    Failure,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.encoders import Pause, Signature, Step
from thinkaloud_server.providers.encoders.script import read_script

LINES = """
# a comment
{"reasoning": "17 times 23"}
{"signature": "c2VhbA=="}
{"pause": 0.5}
{"text": ["It is ", "391."]}
{"tool_call": {"name": "add", "arguments": {"a": 1}}}
{"tool_call": {"name": "now", "id": "x", "arguments": ""}}
{"refusal": ["no"]}
{"usage": {"input": 12, "output": 30, "reasoning": 20, "cached": 4}}
{"finish": "length"}
"""
STEPS: tuple[Step, ...] = (
    ReasoningDelta("17"),
    ReasoningDelta(" times"),
    ReasoningDelta(" "),
    ReasoningDelta("23"),
    Signature("c2VhbA=="),
    Pause(0.5),
    TextDelta("It is "),
    TextDelta("391."),
    ToolCallDelta(0, "call_0", "add"),
    *(ToolCallDelta(0, arguments=piece) for piece in ('{"', "a", '":', " ", "1", "}")),
    ToolCallDelta(1, "x", "now"),
    RefusalDelta("no"),
    UsageReport(Usage(12, 30, 20, 4)),
    Finish("length"),
)


def test_json_lines_are_steps() -> None:
    assert read_script(LINES, toml=False) == STEPS


def test_toml_is_the_same() -> None:
    text = '[[steps]]\nreasoning = ["hm"]\n[[steps]]\ntext = ["ja"]\n[[steps]]\nusage = {output = 2}\n'
    expected = (ReasoningDelta("hm"), TextDelta("ja"), UsageReport(Usage(0, 2)))
    assert read_script(text, toml=True) == expected
    lines = '{"reasoning": ["hm"]}\n{"text": ["ja"]}\n{"usage": {"output": 2}}'
    assert read_script(lines, toml=False) == expected


def test_what_nobody_counted_is_counted() -> None:
    steps = read_script('{"reasoning": ["a", "b"]}\n{"text": ["c"]}', toml=False)
    assert steps[-1] == UsageReport(Usage(1, 3, 2))


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ('{"error": "died"}', Failure(ErrorReason.UPSTREAM_ERROR, "died", 500)),
        (
            '{"error": {"message": "slow down", "status": 429, "retry_after_s": 3}}',
            Failure(ErrorReason.UPSTREAM_RATE_LIMITED, "slow down", 429, 3),
        ),
        ('{"error": {"status": 401}}', Failure(ErrorReason.UPSTREAM_AUTH, "status 401, as scripted", 401)),
    ],
)
def test_an_error_ends_a_script(line: str, failure: Failure) -> None:
    assert read_script(line, toml=False) == (failure,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "at least one step"),
        ("{", "line 1: not JSON"),
        ('\n\n"text"', "step 1: expected one of reasoning, text"),
        ('{"text": "a", "pause": 1}', "step 1: expected one of"),
        ('{"text": "a"}\n{"speak": "b"}', "step 2, speak: unknown step"),
        ('{"text": 1}', "step 1, text: expected text, or a list"),
        ('{"pause": -1}', "seconds must be a number"),
        ('{"pause": true}', "seconds must be a number"),
        ('{"finish": "whenever"}', "expected one of stop, length"),
        ('{"usage": {"outputs": 1}}', "expected input, output, reasoning, cached"),
        ('{"tool_call": {"arguments": {}}}', "expected a name"),
        ('{"error": {"status": 200}}', "status of 400 to 599"),
        ('{"signature": 1}', "expected text"),
    ],
)
def test_a_mistake_is_told_with_its_step(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_script(text, toml=False)
    assert why in str(caught.value)


@pytest.mark.parametrize("text", ["steps = 1", "[other]\na = 1", "= nothing"])
def test_toml_that_is_no_script_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"TOML|steps"):
        read_script(text, toml=True)
