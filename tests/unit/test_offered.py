"""The efforts that a refusal names."""

from __future__ import annotations

import pytest

from thinkaloud_server.providers.offered import offered_efforts

NAMED = {
    "No effort level 'xhigh' here. Supported levels: high, low, max, medium.": "high low max medium",
    "Unsupported value: 'minimal'. Supported values are: 'low', 'medium', and 'high'.": "low medium high",
    "'low' is not supported with the 'gpt-5-pro' model. Supported values are: 'high'.": "high",
    "reasoning_effort='medium' is not supported for this model. Must be one of ('none', 'high')": "none high",
    "reasoning_effort must be one of ['low', 'high', 'max']": "low high max",
    "`reasoning_effort` must be one of `none` or `default`": "none default",
    "unknown variant `minimal`, expected one of `low`, `high`, `max` at line 1 column 30": "low high max",
    "expected one of `'low' | 'medium' | 'high'`, received `'xhigh'`": "low medium high",
    "Input should be 'low', 'medium' or 'high'": "low medium high",
    "Input should be 'low' or 'high', 'input': 'xhigh', 'ctx': {'expected': 'x'}": "low high",
    'invalid think value: "x" (must be "high", "medium", "low", true, or false)': "high medium low",
    'level "max" not supported, valid levels: low, medium, high, xhigh': "low medium high xhigh",
    "The effort must be either LOW or HIGH": "low high",
    "reasoning_effort must be set. Allowed values: low/high": "low high",
    "low, low and low are what is allowed; valid values: low, low": "low",
}
UNNAMED = [
    "",
    "This model does not support effort.",
    "effort must be a string",
    "thinking must be enabled for high effort",
    "Use low, medium or high thinking",
    "supported values are: 1024 to 32768",
    "must be one of the models that reason: low, high",
    "Supported levels: extreme, low",
]


@pytest.mark.parametrize(("message", "efforts"), NAMED.items())
def test_the_efforts_of_a_list_are_named_in_its_order(message: str, efforts: str) -> None:
    assert offered_efforts(message) == tuple(efforts.split())


@pytest.mark.parametrize("message", UNNAMED)
def test_a_sentence_without_such_a_list_names_none(message: str) -> None:
    assert offered_efforts(message) == ()


def test_a_long_message_takes_no_long_time() -> None:
    for piece in ("must be ", "one of low, ", "supported levels ", "low "):
        offered_efforts(piece * 50_000)
