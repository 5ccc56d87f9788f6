"""What every table of the settings is made of."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from thinkaloud_server.app.config import Config, ProviderSection
from thinkaloud_server.app.config_section import Secret, Section

CANARY = "sk-canary-8f3b1c"


class Table(Section):
    key: Secret | None = None


def test_a_secret_shows_in_no_form() -> None:
    secret = Secret(CANARY)
    section = ProviderSection(base_url="http://h", api_key=secret, headers={"a": secret})
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        repr(section),
        repr(Config(providers={"x": section})),
    ):
        assert CANARY not in shown
        assert "***" in shown
    assert secret.reveal() == CANARY
    assert bool(secret)
    assert not Secret("")
    assert len({secret, Secret(CANARY)}) == 1


def test_a_secret_is_text_without_the_space_around_it() -> None:
    assert Table.model_validate({"key": f" {CANARY}\n"}).key == Secret(CANARY)


@pytest.mark.parametrize("tree", [{"key": 5}, {"key": [CANARY]}, {CANARY: 1}], ids=["number", "list", "unknown"])
def test_what_a_table_may_not_hold_is_refused_and_not_repeated(tree: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        Table.model_validate(tree)
    assert all(CANARY not in str(each["msg"]) for each in caught.value.errors())
