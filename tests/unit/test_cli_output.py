"""What commands print: events as JSON, tables for people and for pipes, errors with their exit codes."""

from __future__ import annotations

import json

import pytest

from thinkaloud import events
from thinkaloud.errors import ConnectionLostError, ThinkaloudError, TlsError
from thinkaloud.v1.model_service_pb2 import Model
from thinkaloud_server.app import cli_output

EVENTS = [
    (events.Start(run_id="run_1", sequence=1), "start"),
    (events.Progress(1, 5, sequence=2), "progress"),
    (events.Reasoning("a", sequence=3), "reasoning"),
    (events.Token("b", sequence=4), "token"),
    (events.ToolCall("i", "n", sequence=5), "tool_call"),
    (events.Action("i", "a", sequence=6), "action"),
    (events.Warning("FELL_BACK", sequence=7), "warning"),
    (events.Status("s", sequence=8), "status"),
    (events.Message("user", "t", sequence=9), "message"),
    (events.Heartbeat(9), "heartbeat"),
    (events.Complete("r", sequence=10), "complete"),
    (events.Error("INTERNAL", "m", sequence=10), "error"),
]


@pytest.mark.parametrize(("event", "name"), EVENTS, ids=[name for _, name in EVENTS])
def test_an_event_has_the_contracts_name_and_form(event: events.Event, name: str) -> None:
    line = json.loads(json.dumps(cli_output.event_json(event, "run_1")))
    assert line["event"] == name
    assert line["sequence"] == event.sequence
    assert line["run_id"] == "run_1"
    assert "sequence" not in line["data"]


def test_reasoning_that_was_not_asked_for_is_absent_and_not_empty() -> None:
    assert "reasoning" not in cli_output.event_json(events.Complete("r"), "run_1")["data"]
    assert cli_output.event_json(events.Complete("r", reasoning="x"), "run_1")["data"]["reasoning"] == "x"


def test_messages_of_the_contract_keep_its_names_and_zeros() -> None:
    found = cli_output.message_json(Model(id="a/b"))
    assert found["id"] == "a/b"
    assert found["context_length"] == 0


def test_a_table_in_a_pipe_is_rows_of_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    cli_output.write_table(("id", "title"), [("1", "a\tb\nc \x1b[31m"), ("2", "")])
    assert capsys.readouterr().out == "1\ta b c [31m\n2\t\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        pytest.param(
            ThinkaloudError("no\nmodel \x1b[2J", code="MODEL_NOT_FOUND", request_id="req_1"),
            1,
            "error: MODEL_NOT_FOUND: no model [2J (request req_1)\n",
            id="reason",
        ),
        pytest.param(
            ThinkaloudError("later", code="RATE_LIMITED", retry_after_s=12),
            1,
            "error: RATE_LIMITED: later\nTry again in 12 s.\n",
            id="retry",
        ),
        pytest.param(ConnectionLostError("refused", code="UNAVAILABLE"), 3, "thinkaloud serve", id="unreachable"),
        pytest.param(
            TlsError("not trusted", code="UNAVAILABLE"),
            3,
            "error: the server cannot be reached: not trusted\n",
            id="handshake",
        ),
    ],
)
def test_an_error_says_what_and_where_to_look(
    capsys: pytest.CaptureFixture[str], error: ThinkaloudError, status: int, said: str
) -> None:
    assert cli_output.explain(error) == status
    captured = capsys.readouterr()
    assert said in captured.err
    assert not captured.out
    assert "\x1b" not in captured.err


def test_a_lost_connection_in_a_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConnectionLostError("cut", code="UNAVAILABLE")
    error.run_id, error.last_sequence = "run_1", 7
    assert cli_output.explain(error) == 1
    assert "thinkaloud chat --resume run_1 --after 7" in capsys.readouterr().err
