"""The catalogue of abuse: each row is shown by tests that are there, or says what it waits for, or both."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fakes.abused import vectors

ROOT = Path(__file__).parents[2]
ROWS = {"AU": 18, "GR": 15, "HT": 16, "IS": 11, "RX": 8, "UP": 9, "WS": 8}
TABLES = {
    "test_a_hostile_request_is_answered_by_its_code_and_nothing_behind_it_is_served": "http",
    "test_a_chat_that_asks_for_too_much_has_one_verdict_on_every_face": "asked",
}


@cache
def names_in(path: str) -> set[str]:
    nodes = ast.walk(ast.parse((ROOT / path).read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_no_row_is_missing() -> None:
    named = [row["row"] for row in vectors("catalogue")]
    assert named == [f"{kind}{number:02}" for kind, count in ROWS.items() for number in range(1, count + 1)]


@pytest.mark.parametrize("row", vectors("catalogue"), ids=lambda row: row["row"])
def test_a_row_is_shown_by_tests_that_are_there(row: dict[str, Any]) -> None:
    for test in row.get("shown_by", ()):
        path, _, name = test.partition("::")
        assert name in names_in(path), f"{test} is not there"
        if table := TABLES.get(name):
            assert any(case["row"] == row["row"] for case in vectors(table)), f"{table}.jsonl has no case of it"
    if "waits_for" in row:
        pytest.skip(f"{'the rest ' if 'shown_by' in row else ''}waits for {row['waits_for']}")
    assert row["shown_by"]


@pytest.mark.parametrize("table", TABLES.values())
def test_every_case_of_a_table_belongs_to_a_row_that_names_it(table: str) -> None:
    shown = {
        row["row"]
        for row in vectors("catalogue")
        for test in row.get("shown_by", ())
        if TABLES.get(test.partition("::")[2]) == table
    }
    assert {case["row"] for case in vectors(table)} <= shown
