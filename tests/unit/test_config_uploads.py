"""[uploads] and what it becomes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from thinkaloud_server.app.config import Config
from thinkaloud_server.app.wiring import limits_of


def test_without_the_section_there_are_the_limits_of_the_contract() -> None:
    section = Config().uploads
    assert (section.bytes_max, section.retention_h) == (20 * 1024 * 1024, 168)
    assert (section.tenant_files_max, section.tenant_bytes_max) == (1_000, 1024**3)


def test_a_limit_is_the_one_that_callers_are_told() -> None:
    limits = limits_of(Config.model_validate({"uploads": {"bytes_max": 7, "transfer_s": 9}}))
    assert (limits.upload_bytes, limits.intake_s) == (7, 9)


@pytest.mark.parametrize(
    "section",
    [
        {"bytes_max": 0},
        {"bytes_max": 2**31},
        {"transfer_s": 0},
        {"retention_h": 0},
        {"tenant_files_max": 0},
        {"tenant_bytes_max": 0},
        {"kept_h": 1},
    ],
)
def test_what_cannot_be_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"uploads": section})
