"""Arithmetic of the demo models: right, worked out, and bounded against what strangers type."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkaloud_server.providers.demo.arithmetic import show, solve


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is 17*23? think first", "17*23 = 391."),
        ("17*23", "17*23 = 391."),
        ("what is 3 x 4", "3*4 = 12."),
        ("what is 3 × 4", "3*4 = 12."),
        ("What is 1,234 times 5,678?", "1234*5678 = 7006652."),
        ("what is 12 divided by 5?", "12/5 = 2.4."),
        ("calculate 7 minus 12", "7 - 12 = -5."),
        ("7 mod 3 = ?", "7%3 = 1."),
        ("What is 17 // 5?", "17//5 = 3."),
        ("what is -17 // 5", "-17//5 = -4."),
        ("2^10", "2**10 = 1024."),
        ("what is 5 squared", "5**2 = 25."),
        ("2**-2", "2**-2 = 0.25."),
        ("-2**2", "-2**2 = -4."),
        ("(-2)**3", "(-2)**3 = -8."),
        ("2**3**2", "2**3**2 = 512."),
        ("What is (1+2)*3/4 - 2**10?", "(1 + 2)*3/4 - 2**10 = -1021.75."),
        ("How much is 0.1+0.2?", "0.1 + 0.2 = 0.3."),
        ("-3 - -4", "-3 - -4 = 1."),
        ("10/3", "10/3 is about 3.333333."),
        ("what is 20/6", "20/6 = 10/3 (about 3.333333)."),
        ("what is 1-4/3", "1 - 4/3 = -1/3 (about -0.333333)."),
        ("(-1)**2047 = ?", "(-1)**2047 = -1."),
        ("1**999999999", "1**999999999 = 1."),
        ("(-1)**1000000001", "(-1)**1000000001 = -1."),
    ],
)
def test_the_answer_is_right(question: str, answer: str) -> None:
    thought = solve(question)
    assert thought
    assert thought.answer == answer
    assert thought.steps[-1] == f"So {answer}"


@pytest.mark.parametrize(
    ("question", "step"),
    [
        ("17*23", "17*20 = 340, 17*3 = 51, 340 + 51 = 391, so 17*23 = 391"),
        ("17*20", "17*2 = 34 and 1 zero after it, so 17*20 = 340"),
        ("17*205", "17*200 = 3400, 17*5 = 85, 3400 + 85 = 3485, so 17*205 = 3485"),
        ("3*4", "3*4 = 12"),
        ("9/4", "9/4 = 2.25: 4 goes 2 times into 9 and leaves 1"),
        ("3**4", "3**4 = 3*3*3*3 = 81"),
        ("2*(3-5)", "2*(-2) = -4"),
    ],
)
def test_the_steps_are_those_of_people(question: str, step: str) -> None:
    thought = solve(question)
    assert thought
    assert step in thought.steps


def test_a_product_is_checked_another_way() -> None:
    thought = solve("17*23")
    assert thought
    assert "17 leaves 8, 23 leaves 5" in thought.checks[0]
    assert "23*17 = 391" in thought.checks[1]


@pytest.mark.parametrize(
    "question",
    ["", "hello", "I have 3-4 apples and much to tell you of them", "((((", "1+", "what is 5", "what is ()", "call 555",
     "what is 1..2 + 3", "C++ or C?", "what is 3 4 + 5"],
)  # fmt: skip
def test_what_is_no_arithmetic_is_left_alone(question: str) -> None:
    assert solve(question) is None


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        ("5/0", "divided by zero"),
        ("5 // (2-2)", "divided by zero"),
        ("5%0", "divided by zero"),
        ("0**-1", "divided by zero"),
        ("9**9**9", "too large"),
        ("2**99999999999999999999", "too large"),
        ("*".join(["10**300"] * 3), "too large"),
        ("2**0.5", "not a whole number"),
        ("1" + "+1" * 120, "more than 200 characters"),
        ("(" * 30 + "1" + ")" * 30 + "+1", "nested too deeply"),
        ("-" * 40 + "1+1", "nested too deeply"),
    ],
)
def test_what_has_no_value_is_refused_with_the_reason(question: str, problem: str) -> None:
    thought = solve(question)
    assert thought
    assert problem in thought.answer
    assert "cannot give a value" in thought.answer


@given(st.integers(-(10**6), 10**6), st.sampled_from("+-*"), st.integers(0, 10**6))
def test_whole_numbers_are_worked_exactly(left: int, sign: str, right: int) -> None:
    value = {"+": left + right, "-": left - right, "*": left * right}[sign]
    thought = solve(f"what is {left} {sign} {right}?")
    assert thought
    assert thought.answer.endswith(f"= {value}.")


@given(st.text(alphabet="0123456789+-*/%(). x", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    solve(f"what is {text}")


@pytest.mark.parametrize("text", ["1" * 2000, "1+" * 1000, "(" * 2000, "9**" * 600 + "9", "- " * 1000], ids=range(5))
def test_hostile_text_takes_no_time(text: str) -> None:
    begun = time.perf_counter()
    solve(f"what is {text}")
    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Fraction(5), "5"),
        (Fraction(-5), "-5"),
        (Fraction(1, 4), "0.25"),
        (Fraction(-1, 4), "-0.25"),
        (Fraction(1, 8), "0.125"),
        (Fraction(100, 8), "12.5"),
        (Fraction(1, 10**9), "0.000000001"),
        (Fraction(2, 3), "2/3 (about 0.666667)"),
        (Fraction(-2, 3), "-2/3 (about -0.666667)"),
    ],
)
def test_numbers_are_shown_as_people_write_them(value: Fraction, shown: str) -> None:
    assert show(value) == shown
