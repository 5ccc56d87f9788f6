"""What the demo models know besides arithmetic: dates, capitals, their own documentation; and how they word it."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.demo import capitals, dates, example, guide
from thinkaloud_server.providers.demo.question import QUESTION_CHARS_MAX, read, think
from thinkaloud_server.providers.demo.wording import awkward, count, pieces


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("what day is 2026-11-20", "20 November 2026 is a Friday."),
        ("Which weekday was 4 July 1776?", "4 July 1776 is a Thursday."),
        ("what day is November 20th, 2026?", "20 November 2026 is a Friday."),
        ("what day is 1 Jan 2000", "1 January 2000 is a Saturday."),
        ("days between 2024-02-28 and 2024-03-01?", "There are 2 days from 28 February 2024 to 1 March 2024."),
        ("days from 2027-01-01 to 2024-12-31", "There are 731 days from 31 December 2024 to 1 January 2027."),
        ("days between 2024-02-28 and 2024-02-29", "There is 1 day from 28 February 2024 to 29 February 2024."),
        ("30 days after 20 November 2026", "30 days after 20 November 2026 is 20 December 2026, a Sunday."),
        ("what is 2 weeks before 2026-01-05?", "2 weeks before 5 January 2026 is 22 December 2025, a Monday."),
        ("1 day after 2023-02-28", "1 day after 28 February 2023 is 1 March 2023, a Wednesday."),
        ("is 1900 a leap year", "1900 is not a leap year."),
        ("is 2000 a leap year", "2000 is a leap year."),
        ("is 2023 a leap year", "2023 is not a leap year."),
        ("is the year of 2024-05-05 a leap year", "2024 is a leap year."),
        ("what is 2026-02-30", "There is no date 2026-02-30."),
        ("what day is 31 April 2026", "There is no date 31 April 2026."),
        ("999999 weeks after 2026-01-01", "There is no date 999999 weeks after 1 January 2026."),
    ],
)
def test_questions_about_dates_are_answered_truly(question: str, answer: str) -> None:
    thought = dates.solve(question)
    assert thought
    assert thought.answer == answer


@pytest.mark.parametrize("question", ["what day is today?", "What time is it? what time", "what is the date"])
def test_today_is_not_known(question: str) -> None:
    thought = dates.solve(question)
    assert thought
    assert "no clock" in thought.answer


@pytest.mark.parametrize("question", ["", "hello", "1+1", "a date with you", "leap!", "12026-11-201"])
def test_what_is_no_date_is_left_alone(question: str) -> None:
    assert dates.solve(question) is None


@given(st.dates())
def test_every_weekday_is_right_and_its_steps_add_up(day: date) -> None:
    thought = dates.solve(f"what day is {day.isoformat()}")
    assert thought
    assert thought.answer.endswith(f"is a {day.strftime('%A')}.")
    assert thought.steps[-1].endswith(f"{day.strftime('%A')}.")


@given(st.dates(), st.integers(0, 400_000))
def test_every_distance_is_right(day: date, distance: int) -> None:
    try:
        other = day + timedelta(days=distance)
    except OverflowError:
        return
    thought = dates.solve(f"days between {day.isoformat()} and {other.isoformat()}")
    assert thought
    assert f" {distance} day" in thought.answer
    assert thought.steps[-1].endswith(f"= {distance}.")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the capital of France?", "The capital of France is Paris."),
        ("capital of south sudan", "The capital of South Sudan is Juba."),
        ("What's the capital of the USA?", "The capital of the United States is Washington, D.C."),
        ("capital of the Dominican Republic", "The capital of the Dominican Republic is Santo Domingo."),
        ("capital of Dominica", "The capital of Dominica is Roseau."),
        ("the capital of Guinea-Bissau", "The capital of Guinea-Bissau is Bissau."),
        ("Paris is the capital of which country?", "Paris is the capital of France."),
    ],
)
def test_capitals_are_known(question: str, answer: str) -> None:
    thought = capitals.solve(question)
    assert thought
    assert thought.answer == answer


def test_an_unknown_country_is_admitted() -> None:
    thought = capitals.solve("What is the capital of Atlantis?")
    assert thought
    assert "do not find" in thought.answer


@pytest.mark.parametrize("country", capitals.CAPITALS)
def test_every_country_is_found_by_its_name(country: str) -> None:
    thought = capitals.solve(f"What is the capital of {country}?")
    assert thought
    assert f"{country} is {capitals.CAPITALS[country]}" in thought.answer


@pytest.mark.parametrize("question", ["Where is Paris?", "a capitalist in France", ""])
def test_what_asks_for_no_capital_is_left_alone(question: str) -> None:
    assert capitals.solve(question) is None


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("what is thinkaloud?", "durable"),
        ("How do I resume a run?", "after_sequence"),
        ("which demo models are there?", "error-before"),
        ("Who are you?", "no language model"),
        ("Are you an AI?", "no language model"),
        ("how do I stop it?", "StopRun"),
        ("what does detach mean", "nobody watches"),
        ("how can I see the reasoning?", "include_reasoning"),
        ("which events are there?", "heartbeat"),
        ("idempotency?", "IDEMPOTENCY_KEY_REUSED"),
        ("how do I add a provider", "config check"),
        ("hello", "Hello"),
    ],
)
def test_the_documentation_answers(question: str, word: str) -> None:
    thought = guide.solve(question)
    assert thought
    assert word.lower() in thought.answer.lower()


def _thought_of(text: str) -> str:
    return think(read(ModelRequest("plain", (Message("user", (TextPart(text),)),)))).answer


@pytest.mark.parametrize("text", ["Write me a poem about rain.", "Why is the sky blue?", "🙂", "ﷺ" * 5000])
def test_all_else_is_honestly_refused(text: str) -> None:
    assert "no language model" in _thought_of(text)


def test_what_stands_far_behind_is_not_read() -> None:
    assert "no language model" in _thought_of("x " * QUESTION_CHARS_MAX + "what is 17*23?")


def test_a_date_is_no_subtraction() -> None:
    assert _thought_of("what is 2026-11-20?") == "20 November 2026 is a Friday."


@given(st.text())
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert all(pieces(text))


@given(st.text(), st.integers(0, 100))
def test_awkward_cuts_join_to_the_text(text: str, turn: int) -> None:
    assert "".join(awkward(text, turn)) == text


def test_pieces_are_words_with_their_space() -> None:
    assert pieces("So 17*23 = 391, äöü.") == ["So", " ", "17", "*", "23", " ", "=", " ", "391", ",", " äöü", "."]


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_tokens_are_about_four_characters(text: str, tokens: int) -> None:
    assert count(text) == tokens


def _object(**properties: object) -> str:
    return json.dumps({"type": "object", "properties": properties, "required": list(properties)})


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("", {}),
        ("not json", {}),
        ("[]", {}),
        ('{"type": "string"}', {}),
        ('{"type": "object", "required": ["a"]}', {"a": "Rome"}),
        (_object(city={"type": "string"}), {"city": "Rome"}),
        (_object(query={"type": "string"}), {"query": "Send 3.5 to Rome"}),
        (_object(query={"type": "string", "maxLength": 4}), {"query": "Send"}),
        (_object(day={"type": "string", "format": "date"}), {"day": "2026-01-01"}),
        (_object(unit={"enum": ["C", "F"]}), {"unit": "C"}),
        (_object(unit={"const": "K"}), {"unit": "K"}),
        (_object(unit={"type": "string", "default": "F"}), {"unit": "F"}),
        (_object(n={"type": "number"}), {"n": 3.5}),
        (_object(n={"type": "integer", "minimum": 5}), {"n": 5}),
        (_object(n={"type": "integer", "maximum": 2}), {"n": 2}),
        (_object(yes={"type": "boolean"}), {"yes": True}),
        (_object(none={"type": "null"}), {"none": None}),
        (_object(many={"type": "array", "items": {"type": "boolean"}}), {"many": []}),
        (_object(many={"type": "array", "items": {"type": "boolean"}, "minItems": 2}), {"many": [True, True]}),
        (_object(either={"anyOf": [{"type": "null"}, {"type": "string"}]}), {"either": None}),
        (_object(maybe={"type": ["boolean", "null"]}), {"maybe": True}),
        (_object(inner=json.loads(_object(yes={"type": "boolean"}))), {"inner": {"yes": True}}),
        (_object(remote={"$ref": "https://example.com/schema"}), {"remote": "Rome"}),
        (
            json.dumps(
                {
                    "properties": {"place": {"$ref": "#/$defs/Place"}},
                    "required": ["place"],
                    "$defs": {"Place": {"enum": ["here"]}},
                }
            ),
            {"place": "here"},
        ),
    ],
)
def test_arguments_fit_their_schema(schema: str, expected: object) -> None:
    assert json.loads(example.arguments(schema, "Send 3.5 to Rome")) == expected


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    schema = {"properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    value, depth = json.loads(example.arguments(json.dumps(schema), "")), 0
    while value:
        value, depth = value["next"], depth + 1
    assert 1 < depth < 20
