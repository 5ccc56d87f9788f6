"""What the comments say by name; and that the file of them says all that the protos say."""

from __future__ import annotations

import pytest

from fakes.boats import boat_comments
from thinkaloud_server.web.openapi.comment import Comments, contract_comments
from thinkaloud_server.web.route import services_of_contract


@pytest.mark.parametrize(
    ("comment", "summary"),
    [
        ("One thing. And another.", "One thing"),
        ("A question? Yes.", "A question?"),
        ("Over\nlines, e.g.x. Then.", "Over lines, e.g.x"),
        ("no full stop", "no full stop"),
        ("", ""),
    ],
)
def test_a_summary_is_the_first_sentence(comment: str, summary: str) -> None:
    assert Comments({"x": comment}).summary("x") == summary


def test_of_an_unknown_name_nothing_is_said() -> None:
    comments = Comments({})
    assert (comments.text("x"), comments.summary("x"), comments.examples("x")) == ("", "", ())


def test_every_declaration_is_found_by_its_full_name() -> None:
    comments = boat_comments()
    assert comments.text("boats.v1.BoatService").startswith("Boats to let.")
    assert comments.text("boats.v1.BoatService.LetBoat") == "Let a boat. It must float."
    assert comments.text("boats.v1.Boat.name") == "Painted on the stern."
    assert comments.text("boats.v1.Boat.Motor") == "Inside."
    assert comments.text("boats.v1.Rig") == "What it is rigged as."
    assert comments.text("boats.v1.Rig.RIG_SLOOP") == "One mast."
    assert comments.text("boats.v1.Boat.serial") == ""
    assert [each.title for each in comments.examples("boats.v1.Boat")] == ["A dinghy"]


def test_the_contract_says_something_of_every_method() -> None:
    comments = contract_comments()
    methods = [method for service in services_of_contract() for method in service.methods]
    assert [method.full_name for method in methods if not comments.summary(method.full_name)] == []
