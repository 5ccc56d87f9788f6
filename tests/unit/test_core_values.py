"""The values of core: reasons as the contract has them, identifiers, messages, usage."""

from __future__ import annotations

import pytest

from thinkaloud.v1 import errors_pb2
from thinkaloud_server.core.delta import StateDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason, invalid
from thinkaloud_server.core.identifier import Prefix, check_id
from thinkaloud_server.core.message import (
    ROLES,
    ImagePart,
    Message,
    ReasoningState,
    TextPart,
    ToolCall,
    as_role,
)
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.core.usage import Usage

HEX = "0123456789abcdef" * 2


def test_every_reason_is_in_the_contract_and_back() -> None:
    prefix = "ERROR_REASON_"
    contract = {name.removeprefix(prefix) for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118 - no mapping
    assert {reason.value for reason in ErrorReason} == contract - {"UNSPECIFIED"}


@pytest.mark.parametrize("reason", ErrorReason)
def test_a_reason_is_its_own_name(reason: ErrorReason) -> None:
    assert reason.name == reason.value == str(reason)


def test_an_error_tells_reason_and_message() -> None:
    error = ChatError(ErrorReason.NOT_FOUND, "no such run", retry_after_s=1.5, details={"near": ["a"]})
    assert str(error) == "NOT_FOUND: no such run"
    assert (error.reason, error.message, error.retry_after_s) == (ErrorReason.NOT_FOUND, "no such run", 1.5)
    assert error.details == {"near": ["a"]}
    assert error.violations == ()


def test_an_error_has_no_details_unless_given() -> None:
    error = ChatError(ErrorReason.INTERNAL, "")
    assert error.details == {}
    assert error.retry_after_s is None


def test_an_invalid_field_is_named() -> None:
    error = invalid("max_iterations", "must be 1 to 100, got 0")
    assert error.reason is ErrorReason.VALIDATION_FAILED
    assert error.violations == (("max_iterations", "must be 1 to 100, got 0"),)
    assert error.message == "max_iterations: must be 1 to 100, got 0"


@pytest.mark.parametrize("prefix", ["run", "conv", "msg"])
def test_an_id_of_its_type_is_itself(prefix: Prefix) -> None:
    assert check_id(prefix, f"{prefix}_{HEX}") == f"{prefix}_{HEX}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run",
        "run_",
        HEX,
        f"conv_{HEX}",
        f"run_{HEX[1:]}",
        f"run_{HEX}0",
        f"run_{HEX}\n",
        f" run_{HEX}",
        f"RUN_{HEX}",
        f"run_{HEX.upper()}",
        f"run-{HEX}",
        f"run_{HEX[:-1]}g",
        f"run_{HEX[:-1]}\u0663",
        f"run_run_{HEX}",
    ],
)
def test_another_form_is_no_id(text: str) -> None:
    with pytest.raises(ChatError, match="run_ and 32 hexadecimal digits") as raised:
        check_id("run", text)
    assert raised.value.reason is ErrorReason.INVALID_ID


def test_the_text_of_a_message_is_its_text_parts() -> None:
    parts = (TextPart("a"), ImagePart(url="http://example.test/"), TextPart("b"), ToolCall("c", "f", "{}"))
    assert Message("user", parts, reasoning="secret").text == "ab"
    assert Message("user", ()).text == ""


def test_only_roles_are_roles() -> None:
    assert [as_role(role) for role in ROLES] == list(ROLES)
    assert as_role("developer") is None
    assert as_role("") is None


def test_opaque_state_is_in_no_repr() -> None:
    assert "SECRET" not in repr(ReasoningState("p", "m", '["SECRET"]'))
    assert "SECRET" not in repr(StateDelta('["SECRET"]'))


def test_usage_adds_up() -> None:
    assert Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40) == Usage(11, 22, 33, 44)
    assert Usage() + Usage(1, 2, 3, 4) == Usage(1, 2, 3, 4)
    assert (Usage(cost_usd=0.5) + Usage()).cost_usd == 0.5
    assert (Usage(cost_usd=0.5) + Usage(cost_usd=0.25)).cost_usd == 0.75


def test_without_reasoning_leaves_every_reasoning_field_out() -> None:
    request = ModelRequest("m", (), reasoning=ReasoningControl(effort="high"))
    assert request.without_reasoning() == ModelRequest("m", (), plain=True)
